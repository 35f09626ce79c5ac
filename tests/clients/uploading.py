"""Uploads as LibreChat does them, and what it makes of the answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.clients.client import Client, Json

ID = re.compile(r"[A-Za-z0-9_-]{21}")
CONTENT = "a,b\n1,2\n"
NAME = "übung 1.csv"
SKILL: Json = {"kind": "skill", "id": "skill-1", "version": 3}
AGENT: Json = {"kind": "agent", "id": "agent_1"}
USER: Json = {"kind": "user", "id": "user-1"}


def uploaded(client: Client, file: Json, **identity: object) -> tuple[str, str]:
    """Upload one file as LibreChat does; return the ids of session and file, from where it reads them."""
    answer = client.server("upload", files=[file], **identity).value
    assert answer["message"] == "success"
    sid = answer["session_id" if client.generation == "old" else "storage_session_id"]
    fid = answer["files"][0]["fileId"]
    assert answer["files"][0]["filename"] == file["filename"]
    assert ID.fullmatch(sid)
    assert ID.fullmatch(fid)
    return sid, fid


def seeded(sid: str, fid: str, name: str, identity: Json) -> Json:
    """Make of an uploaded file the session that LibreChat starts a conversation with."""
    file = {**identity, "id": fid, "resource_id": identity["id"], "storage_session_id": sid, "name": name}
    return {"execute_code": {"session_id": sid, "files": [file]}}


def is_alive(last_modified: str | None) -> bool:
    """Decide as LibreChat does (K12): younger than 23 hours."""
    if last_modified is None:
        return False
    assert last_modified.endswith("Z")
    return datetime.now(UTC) - datetime.fromisoformat(last_modified) < timedelta(hours=23)
