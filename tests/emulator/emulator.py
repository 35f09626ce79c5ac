"""A running emulator as tests see it: its address, its SDK clients, its own endpoint."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from daytona import AsyncDaytona, DaytonaConfig

KEY = "emulator"
EVENTS = "/socket.io/"


def plain_client(address: str, headers: dict[str, str] | None = None) -> httpx.Client:
    """A client that loads no certificates, which would take a tenth of a second each time."""
    return httpx.Client(base_url=address, headers=headers, timeout=60, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@dataclass(frozen=True)
class Emulator:
    """Address and control of one emulator."""

    address: str
    admin: httpx.Client

    @property
    def api_url(self) -> str:
        return f"{self.address}/api"

    def sdk(self, key: str = KEY) -> AsyncDaytona:
        """Return a client of the real SDK, configured without the environment."""
        config = DaytonaConfig(api_key=key, api_url=self.api_url, target="emulator", connection_pool_maxsize=50)
        return AsyncDaytona(config)

    def raw(self) -> httpx.Client:
        """A plain HTTP client with the key, for what the SDK would never send."""
        return plain_client(self.address, {"Authorization": f"Bearer {KEY}"})

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self._admin("PATCH", "settings", settings)

    def fault(self, preset: str | None = None, **fault: Any) -> None:
        """Add a pending fault."""
        self._admin("POST", "faults", fault if preset is None else {"preset": preset, **fault})

    def force(self, sandbox_id: str, state: str) -> None:
        """Put a sandbox into a state."""
        self._admin("PUT", f"sandboxes/{sandbox_id}", {"state": state})

    def sandboxes(self) -> list[dict[str, Any]]:
        """Return all sandboxes with their internal state."""
        return list(self._admin("GET", "sandboxes"))

    def calls(self, path: str = "") -> list[dict[str, Any]]:
        """All calls but the event stream since the test began."""
        found = self._admin("GET", f"log?path={path}")
        return [call for call in found if not call["path"].endswith(EVENTS)]

    def calls_in_short(self) -> list[str]:
        """The same as `METHOD path`, with ids left out."""
        ids = [box["id"] for box in self.sandboxes()]
        texts = [f"{call['method']} {call['path']}" for call in self.calls()]
        for sandbox_id in ids:
            texts = [text.replace(sandbox_id, "ID") for text in texts]
        return texts

    def forget_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._admin("DELETE", "faults")

    def forget_calls(self) -> None:
        """Reset the log."""
        self._admin("DELETE", "log")

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        response = self.admin.request(method, f"/__emulator/{path}", json=body)
        response.raise_for_status()
        return response.json() if response.content else None
