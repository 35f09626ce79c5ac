"""Speak to the service under attack: raw paths, any header, one connection a request."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 330.0
_TOOL_SECONDS = 2.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body. Raises ``ValueError``."""
        return json.loads(self.body)


class _Unchecked:
    """Let every path through: that a client would not send it is no defence."""

    def _validate_path(self, url: str) -> None:
        return

    def _encode_request(self, request: str) -> bytes:
        return request.encode("utf-8", "surrogateescape")


class _Plain(_Unchecked, http.client.HTTPConnection):
    pass


class _Secure(_Unchecked, http.client.HTTPSConnection):
    pass


@dataclass(frozen=True, slots=True)
class Target:
    """The address of the service and its credential."""

    url: str
    key: str

    @property
    def port(self) -> int:
        """Name the port that the service listens on."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send one request as it is: nothing of the path is normalised. Raises ``OSError``."""
        parts = urlsplit(self.url)
        connection = (_Secure if parts.scheme == "https" else _Plain)(
            parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS
        )
        try:
            connection.putrequest(method, parts.path.rstrip("/") + path, skip_accept_encoding=True)
            sent = {"X-API-Key": self.key, "Connection": "close", **(headers or {})}
            if body is not None:
                sent = {"Content-Length": str(len(body)), **sent}
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            got = connection.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()

    def raw(self, data: bytes, seconds: float = 5.0) -> bytes:
        """Send bytes as they are; return everything received until the service closes or is silent."""
        parts = urlsplit(self.url)
        got = bytearray()
        try:
            with socket.create_connection((parts.hostname or "", self.port), timeout=seconds) as sock:
                sock.sendall(data)
                while chunk := sock.recv(65536):
                    got += chunk
        except OSError:  # closed or silent: what came before counts
            pass
        return bytes(got)

    def exec(self, lang: str, code: str, **more: Any) -> Json:
        """Run a program. Raises ``OSError`` when the service does not answer 200."""
        body = json.dumps({"lang": lang, "code": code, **more}).encode()
        got = self.call("POST", "/exec", body, {"Content-Type": "application/json"})
        if got.status != 200:
            raise OSError(f"/exec answered {got.status}: {got.body[:300]!r}")
        answer: Json = got.json()
        return answer

    def exec_with_tool(self, lang: str, code: str, tool: str, **more: Any) -> Json:
        """Run a program that may call one tool, which gives its arguments back; after a while, if they say ``wait``.

        Raises ``OSError`` when the service does not answer 200, or lets the program call anything else.
        """
        body: Json = {"lang": lang, "code": code, "tools": [{"name": tool}], **more}
        while True:
            got = self.call(
                "POST", "/exec/programmatic", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            if got.status != 200:
                raise OSError(f"/exec/programmatic answered {got.status}: {got.body[:300]!r}")
            answer: Json = got.json()
            if answer["status"] != "tool_call_required":
                return {"files": [], "stdout": "", "stderr": "", **answer, "status": None}
            if any(call["name"] != tool for call in answer["tool_calls"]):
                raise OSError("a tool was called that was not offered")
            if any(call["input"].get("wait") for call in answer["tool_calls"]):
                time.sleep(_TOOL_SECONDS)
            results = [{"call_id": call["id"], "result": call["input"]} for call in answer["tool_calls"]]
            body = {"continuation_token": answer["continuation_token"], "tool_results": results}

    def upload(self, files: dict[str, bytes], **fields: str) -> Json:
        """Upload files. Raises ``OSError`` when the service does not answer 200."""
        body, kind = form(files, **fields)
        got = self.call("POST", "/upload", body, {"Content-Type": kind})
        if got.status != 200:
            raise OSError(f"/upload answered {got.status}: {got.body[:300]!r}")
        answer: Json = got.json()
        return answer

    def download(self, session_id: str, file_id: str) -> bytes:
        """Read a file; empty when there is none."""
        got = self.call("GET", f"/download/{session_id}/{file_id}")
        return got.body if got.status == 200 else b""


def form(files: dict[str, bytes], **fields: str) -> tuple[bytes, str]:
    """Write a multipart body and its content type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode("utf-8", "replace")
        for name, value in fields.items()
    ]
    for name, data in files.items():
        quoted = name.replace('"', "%22").encode("utf-8", "surrogateescape")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="'.encode() + quoted
        parts.append(head + b'"\r\n\r\n' + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
