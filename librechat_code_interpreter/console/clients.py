"""Last LibreChat release and last refusals, so that the page can suggest settings."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from librechat_code_interpreter.core.events import Events, LibreChatSpoke, Refused

LAST_REFUSALS = 20
_RECENT_SECONDS = 600.0

_AFTER_0_8_7 = frozenset({"session hint"})
_AFTER_0_8_6 = frozenset({"object probe", "storage_session_id refs", "token", "Basic", "no credential"})
_UNTIL_0_8_5 = frozenset({"X-API-Key", "session_id refs"})


class Clients:
    """Records calls by LibreChat and refused requests."""

    def __init__(self, events: Events) -> None:
        self.user_agent = ""
        self.spoke_at: float | None = None
        self.signs: dict[str, float] = {}
        """Each sign that was ever seen, and when it was last seen."""

        self.refusals: deque[Refused] = deque(maxlen=LAST_REFUSALS)
        events.on(LibreChatSpoke, self._spoke)
        events.on(Refused, self.refusals.append)

    def _spoke(self, call: LibreChatSpoke) -> None:
        self.spoke_at = call.at
        self.user_agent = call.user_agent or self.user_agent
        for sign in call.signs:
            self.signs[sign] = call.at

    def release(self) -> str | None:
        """Return the release of the last LibreChat, by its signs of the ten minutes before; ``None`` if unclear."""
        if self.spoke_at is None:
            return None
        return release_of({sign for sign, at in self.signs.items() if self.spoke_at - at <= _RECENT_SECONDS})


def release_of(signs: Collection[str]) -> str | None:
    """Return the LibreChat release that shows these signs; if old and new signs are mixed, return both."""
    seen = frozenset(signs)
    new = "v0.8.7 or later" if seen & _AFTER_0_8_7 else "v0.8.6 or later" if seen & _AFTER_0_8_6 else None
    old = "v0.8.5 or earlier" if seen & _UNTIL_0_8_5 else None
    return f"{old}, and another {new}" if old and new else old or new
