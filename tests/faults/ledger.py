"""Record of what a service acknowledged, and checks of it. A file's content follows from its name."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from tests.faults.count import Count

LARGE = 7 << 20
"""More than a store writes in one part."""

WRITES = """
import hashlib, re
for name in {names!r}:
    digest, size = hashlib.sha256(name.encode()).digest(), int(re.search(r"-(\\d+)$", name)[1])
    with open(name, "wb") as file:
        file.write((digest * (size // 32 + 1))[:size])
"""
"""A program that writes files of these names."""

_numbers = itertools.count()


def new_name(size: int) -> str:
    """Make a name, and with it the content of a file of this size."""
    return f"file-{next(_numbers)}-{size}"


def content_of(name: str) -> bytes:
    """Return the content that belongs to a name."""
    size = int(name.rpartition("-")[2])
    return (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size]


class Ledger:
    """(session, file) -> name of all that was acknowledged and not deleted since."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], str] = {}

    def uploaded(self, answer: httpx.Response) -> list[tuple[str, str]]:
        """Record the files of an upload, or of a run, that was answered; return them."""
        body: dict[str, Any] = answer.json()
        new = {(body["session_id"], file["id"]): file["name"] for file in body["files"]}
        self.files |= new
        return list(new)

    async def upload(self, client: httpx.AsyncClient, *sizes: int) -> httpx.Response:
        """Upload files of these sizes; what is acknowledged is recorded."""
        names = [new_name(size) for size in sizes]
        answer = await client.post("/upload", files=[("file", (name, content_of(name))) for name in names])
        if answer.status_code == httpx.codes.OK:
            self.uploaded(answer)
        return answer

    async def run(self, client: httpx.AsyncClient, *sizes: int, **request: Any) -> httpx.Response:
        """Run a program that writes files of these sizes; what is acknowledged is recorded."""
        code = WRITES.format(names=[new_name(size) for size in sizes])
        answer = await client.post("/exec", json={"lang": "py", "code": code, **request})
        if answer.status_code == httpx.codes.OK:
            self.uploaded(answer)
        return answer

    async def delete(self, client: httpx.AsyncClient, place: tuple[str, str]) -> httpx.Response:
        """Delete a file; whether that is answered or not, it need not be there any more."""
        del self.files[place]
        return await client.delete("/files/{}/{}".format(*place))

    async def look(
        self, client: httpx.AsyncClient, count: Count, places: Iterable[tuple[str, str]] | None = None
    ) -> None:
        """Check that the files (by default all of them) are listed, and whole. Count them."""
        listings: dict[str, set[str]] = {}
        for place in list(self.files if places is None else places):
            session_id, file_id = place
            count.acknowledged += 1
            if session_id not in listings:
                listed = await client.get(f"/files/{session_id}")
                items = listed.json() if listed.status_code == httpx.codes.OK else []
                listings[session_id] = {item["id"] for item in items}
            got = await client.get(f"/download/{session_id}/{file_id}")
            is_whole = got.status_code == httpx.codes.OK and got.content == content_of(self.files[place])
            count.found += is_whole and file_id in listings[session_id]


def half_written(store: Path) -> list[str]:
    """Name visible files that must not be: a record or a file that is not whole."""
    found = []
    for record in store.glob("records/*.json"):
        session = json.loads(record.read_text())
        for file in session["files"].values():
            bytes_of = store / "files" / session["id"] / file["id"]
            if not bytes_of.exists() or bytes_of.read_bytes() != content_of(file["path"]):
                found.append(f"{file['path']} is visible and not whole")
    return found
