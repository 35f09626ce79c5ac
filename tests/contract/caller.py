"""Requests as LibreChat's clients send them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]
Ref = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """One client with its credential."""

    http: httpx.AsyncClient

    async def exec(self, code: str, lang: str = "py", **body: Any) -> Json:
        """Run a program and give the answer, which is a 200 whatever the program does (K18)."""
        answer = await self.http.post("/exec", json={"lang": lang, "code": code, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def upload(self, *files: tuple[str, bytes], **fields: str) -> Json:
        """Upload files as LibreChat does: the text fields first."""
        answer = await self.http.post("/upload", data=fields, files=[("file", file) for file in files])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def upload_one(self, name: str, content: bytes = b"content", **fields: str) -> Ref:
        """Upload one file and give the ref that an old client makes of it."""
        answer = await self.upload((name, content), **fields)
        return old_ref(answer["session_id"], answer["files"][0]["fileId"], name)

    async def listing(self, session_id: str, **query: str) -> list[Json]:
        """List a session."""
        answer = await self.http.get(f"/files/{session_id}", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    async def content(self, session_id: str, file_id: str) -> bytes:
        """Download a file."""
        answer = await self.http.get(f"/download/{session_id}/{file_id}")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def output(self, answer: Json, name: str) -> bytes:
        """Download what a run left under this name."""
        return await self.content(answer["session_id"], file_named(answer, name)["id"])


def old_ref(session_id: str, file_id: str, name: str) -> Ref:
    """Name a stored file as LibreChat <= v0.8.5 does."""
    return {"id": file_id, "session_id": session_id, "name": name}


def new_ref(session_id: str, file_id: str, name: str, kind: str = "user", **more: Any) -> Ref:
    """Name a stored file as LibreChat >= v0.8.6 does."""
    return {
        "id": file_id, "storage_session_id": session_id, "name": name, "kind": kind, "resource_id": "r1", **more,
    }  # fmt: skip


def refs_to(answer: Json) -> list[Ref]:
    """Name everything that a run left, as the client does in the next call."""
    return [old_ref(file["session_id"], file["id"], file["name"]) for file in answer["files"]]


def file_named(answer: Json, name: str) -> Json:
    """Return the one file of this name in an answer's ``files``."""
    (file,) = [file for file in answer["files"] if file["name"] == name]
    return dict(file)


def names(answer: Json) -> list[str]:
    """Return the names in an answer's ``files``, sorted."""
    return sorted(file["name"] for file in answer["files"])


def form(*parts: tuple[bytes, bytes]) -> tuple[dict[str, str], bytes]:
    """Write a multipart body byte for byte: (Content-Disposition parameters, content) of each part."""
    boundary = f"----{secrets.token_hex(8)}"
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary.encode(), parameters, content)
        for parameters, content in parts
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, body + b"--%b--\r\n" % boundary.encode()
