"""The operator's page tells which LibreChat spoke, by what its real client sends."""

from __future__ import annotations

import json
import time
import urllib.request

from librechat_code_interpreter.console.clients import release_of
from tests.clients.client import Client, Json, execute
from tests.clients.uploading import USER, uploaded
from tests.service import LiveService


def signs_since(service: LiveService, began: float) -> set[str]:
    """Ask as the operator what was seen since then."""
    request = urllib.request.Request(f"{service.url}/console/data", headers={"X-API-Key": service.api_key})
    with urllib.request.urlopen(request) as answer:
        seen = json.load(answer)["librechat"]
    assert seen["user_agent"].startswith("LibreChat/")
    return {sign for sign, at in seen["signs"].items() if at >= began}


def test_each_release_is_told_by_what_it_sends(client: Client, live_service: LiveService, csv: Json) -> None:
    """K5, K6, K38, K39: an upload, a look whether it is alive and a run show old releases as old, new ones as new."""
    began = time.time()
    sid, fid = uploaded(client, csv, **(USER if client.generation == "new" else {}))
    client.server("lastModified", sid=sid, fid=fid, **(USER if client.generation == "new" else {}))
    client.converse([execute("bash", "true")])
    signs = signs_since(live_service, began)
    assert {"/v1", "/upload"} <= signs
    assert release_of(signs) == ("v0.8.5 or earlier" if client.generation == "old" else "v0.8.6 or later")
    assert ("object probe" in signs) == (client.generation == "new")
