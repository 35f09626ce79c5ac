"""The log of a whole run of the real service holds no key, no token, no code, no output and no file, at any level."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from tests.contract.tokens import KID, public_key, token
from tests.daytona.cloud import Cloud
from tests.runtime import RUNTIME
from tests.service import LiveService, running_service

TIMEOUT_SECONDS = 60
LEAVING = httpx.Timeout(TIMEOUT_SECONDS, read=1.0)


@dataclass
class Marks:
    """Markers that are put into secrets and content, and searched for afterwards."""

    made: dict[str, str] = field(default_factory=dict)

    def new(self, what: str) -> str:
        """Make one."""
        self.made[what] = f"m{secrets.token_hex(8)}"
        return self.made[what]

    def found_in(self, text: str) -> list[str]:
        """Return the markers in a text, also in base64, which begins at any of three places."""
        return [what for what, mark in self.made.items() if any(shape in text for shape in _shapes(mark))]


def _shapes(mark: str) -> Iterator[str]:
    yield mark
    for before in range(3):
        coded = base64.b64encode(b"x" * before + mark.encode()).decode()
        yield coded[4:-4]


def test_the_search_finds_what_is_hidden() -> None:
    """A marker is found in plain text, and inside of HTTP Basic."""
    marks = Marks()
    mark = marks.new("key")
    for text in (
        f"a {mark} b",
        base64.b64encode(f"user:{mark}".encode()).decode(),
        base64.b64encode(mark.encode()).decode(),
    ):
        assert marks.found_in(text) == ["key"]
    assert marks.found_in("nothing here") == []


async def _use(service: LiveService, marks: Marks) -> None:
    """Send valid and invalid requests to every route."""
    key, jwt, wrong = service.api_key, token(marks.new("user"), tenant=marks.new("tenant")), marks.new("wrong key")
    marks.made |= {"api key": key, "token": jwt.rpartition(".")[2]}
    async with httpx.AsyncClient(base_url=service.url, timeout=TIMEOUT_SECONDS) as http:
        by_key = {"X-API-Key": key}
        code, printed = marks.new("code"), marks.new("output")
        name, content = f"{marks.new('file name')}.txt", marks.new("content")
        await http.get("/healthz", headers={"User-Agent": "LibreChat/1.0"})
        for credential in (
            {}, {"User-Agent": "LibreChat/1.0"}, {"X-API-Key": wrong}, {"Authorization": f"Bearer {wrong}"},
            {"Authorization": f"Bearer {jwt}x"},
            {"Authorization": "Basic " + base64.b64encode(f"x:{wrong}".encode()).decode()},
        ):  # fmt: skip
            assert (await http.get("/files/x", headers=credential)).status_code == 401
        uploaded = (await http.post("/upload", headers=by_key, files={"file": (name, content)})).json()
        ref = {"id": uploaded["files"][0]["fileId"], "session_id": uploaded["session_id"], "name": name}
        programs = (
            f"print('{printed}'); {code} = 1; open('out-{name}', 'w').write('{content}')",
            f"import sys; print('{printed}', file=sys.stderr); raise ValueError('{code}')",
            f"{code} (",
            f"import os, signal; print('{printed}', flush=True); os.kill(os.getpid(), signal.SIGSEGV)",
            f"import time; print('{printed}', flush=True); time.sleep(60)  # {code}",
        )
        for program, credential in zip(programs, cycle((by_key, {"Authorization": f"Bearer {jwt}"})), strict=False):
            body = {"lang": "py", "code": program, "args": [marks.new("argument")], "files": [ref], "timeout": 1000}
            answer = await http.post("/exec", headers=credential, json=body | {"apiKey": marks.new("key in the body")})
            assert answer.status_code == 200
        await http.post("/exec", headers=by_key, json={"lang": "bash", "code": f"echo {printed}; {code}"})
        await http.post("/exec", headers=by_key, content=f'{{"lang": "py", "code": "{code}"')
        await http.post("/exec", headers=by_key, json={"lang": "py", "code": {"not": code}})
        await http.post("/exec", headers=by_key, json={"lang": code, "code": "1"})
        await http.get(f"/download/{ref['session_id']}/{ref['id']}", headers=by_key)
        await http.get(f"/files/{ref['session_id']}", headers=by_key, params={"token": marks.new("query")})
        await _call_tools(http, by_key, code, marks)
        await _leave(http, by_key, f"import time; print('{printed}', flush=True); time.sleep(60)  # {code}")


async def _call_tools(http: httpx.AsyncClient, by_key: dict[str, str], code: str, marks: Marks) -> None:
    program = f"print(await tool(a='{marks.new('tool input')}'))  # {code}"
    body = {"code": program, "tools": [{"name": "tool"}]}
    paused = (await http.post("/exec/programmatic", headers=by_key, json=body)).json()
    result = {"call_id": paused["tool_calls"][0]["id"], "result": marks.new("tool result")}
    marks.made["continuation token"] = paused["continuation_token"].rpartition(".")[2]
    body = {"continuation_token": paused["continuation_token"], "tool_results": [result]}
    for status in (200, 404):
        assert (await http.post("/exec/programmatic", headers=by_key, json=body)).status_code == status


async def _leave(http: httpx.AsyncClient, by_key: dict[str, str], program: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/exec", headers=by_key, json={"lang": "py", "code": program}, timeout=LEAVING)


def _log_of(service: LiveService) -> str:
    return service.log.read_text(errors="replace")


async def test_with_the_local_engine(tmp_path: Path) -> None:
    """Debug level, JSON, access lines: programs, tools, files and refusals, without their content."""
    marks = Marks()
    settings = {
        "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "METRICS_KEY": marks.new("metrics key"),
        "CODEAPI_JWT_PUBLIC_KEY": public_key(), "CODEAPI_JWT_KID": KID,
    }  # fmt: skip
    with running_service(tmp_path, **settings) as service:
        await _use(service, marks)
        proof = _log_of(service)
    assert marks.found_in(_log_of(service)) == ["user", "tenant"]  # the audit line says who
    entries = [json.loads(line) for line in proof.splitlines()]
    assert sum(entry["logger"] == "librechat_code_interpreter.audit" for entry in entries) >= 8
    assert any(entry["logger"] == "uvicorn.access" and "request_id" in entry for entry in entries)


async def test_with_daytona_which_quotes_what_it_was_sent(tmp_path: Path) -> None:
    """Readable lines at debug level, with answers and errors that quote the program."""
    marks = Marks()
    key = marks.new("Daytona's key")
    settings = {
        "LOG_LEVEL": "debug", "ADAPTER_ENGINE": "daytona", "DAYTONA_API_KEY": key,
        "CODEAPI_JWT_PUBLIC_KEY": public_key(), "CODEAPI_JWT_KID": KID,
    }  # fmt: skip
    with running(Settings(api_key=key), RUNTIME) as address:
        cloud = Cloud(address)
        with running_service(tmp_path, **settings, DAYTONA_API_URL=cloud.api_url) as service:
            await _use(service, marks)
            await _quote(service, cloud, marks)
    assert marks.found_in(_log_of(service)) == ["user", "tenant"]
    assert len(re.findall(r" librechat_code_interpreter\.audit: run ", _log_of(service))) >= 8
    assert "was not heard of again" in _log_of(service)


async def _quote(service: LiveService, cloud: Cloud, marks: Marks) -> None:
    """Let Daytona's errors quote what was sent, and its answers be truncated."""
    mark = marks.new("quoted")
    execute: dict[str, Any] = {
        "method": "POST",
        "path": "/process/execute$",
        "skip": 1,
    }  # the first prepares a new sandbox
    async with httpx.AsyncClient(base_url=service.url, timeout=TIMEOUT_SECONDS) as http:
        faults: list[dict[str, Any]] = [
            {"status": 500, "body": {"statusCode": 500, "message": f"exit 1: {mark}"}},
            {"status": 400, "body": {"statusCode": 400, "message": f"bad command: {mark}"}},
            {"status": 200, "body": {"exitCode": 0, "result": mark}},
        ]
        for fault in faults:
            body = {"lang": "py", "code": f"print('{mark}')"}
            with cloud.fault(**execute | fault):
                answer = await http.post("/exec", headers={"X-API-Key": service.api_key}, json=body)
            assert answer.status_code in (200, 503)
