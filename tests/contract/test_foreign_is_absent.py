"""Another caller's objects are indistinguishable from absent ones: status, headers, body and work done (K9)."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, fields
from typing import Any

import httpx
import pytest
import pytest_asyncio

from librechat_code_interpreter.core.ids import new_id
from tests.contract import tokens
from tests.contract.caller import Caller
from tests.contract.counted import Counted, counting
from tests.contract.service import Service, serving

Query = tuple[str, dict[str, Any]]
OTHERS = ("another user", "another tenant", "the key")

WITHOUT_IDS = {
    "GET /", "GET /health", "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /docs",
    "GET /languages", "GET /console", "GET /console/page/{name}",
    "GET /swagger/swagger-ui-bundle.js", "GET /swagger/swagger-ui.css", "GET /swagger/favicon-32x32.png",
}  # fmt: skip
"""Routes that name nobody's things."""

THE_OPERATORS = {"GET /console/data", "GET /console/sessions"}
"""Routes that name everybody's things to who holds the key, and open none: see tests/console/test_data.py."""

_VARYING_HEADERS = {"date", "x-request-id"}
_WALL_TIME = re.compile(r'"wall_time":[0-9.]+')
_ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{21}(?![A-Za-z0-9_-])")


@dataclass(frozen=True)
class Things:
    """Name a user's things: a session of runs, an upload, files, a waiting program, conversations, a shared upload."""

    session: str
    file: str
    upload: str
    uploaded: str
    token: str
    hint: str
    talk: str
    request: str
    agent: str
    agent_file: str

    @classmethod
    def nowhere(cls, like: Things) -> Things:
        """Return ids of the same form that do not exist."""
        made = {field.name: new_id() for field in fields(cls)}
        head, claims, signature = like.token.split(".")
        return cls(**{**made, "token": f"{head}.{claims}.{secrets.token_urlsafe(32)[: len(signature)]}"})


@dataclass(frozen=True)
class Place:
    """The service, Alice's objects, and the callers that try them."""

    service: Service
    engine: Counted
    alice: Caller
    things: Things
    others: dict[str, Caller]


def json_of(**body: Any) -> dict[str, Any]:
    """Make a run's body."""
    return {"json": {"lang": "bash", "code": "ls -A; cat * 2>/dev/null", **body}}


def old(session: str, file: str) -> dict[str, Any]:
    """Build a file reference as old clients do."""
    return json_of(files=[{"id": file, "session_id": session, "name": "a.txt"}])


def new(session: str, file: str, kind: str = "user") -> dict[str, Any]:
    """Build a file reference as new clients do."""
    ref = {"id": file, "storage_session_id": session, "name": "a.txt", "kind": kind, "resource_id": "r"}
    return json_of(files=[ref])


def form(**values: str) -> dict[str, Any]:
    """Make an upload's form."""
    return {"data": values, "files": [("file", ("a.txt", b"content"))]}


def by_path(path: str) -> list[Query]:
    """Build both kinds of sessions and files in a path, with clients' query parameters."""
    fills = (("session", "file"), ("upload", "uploaded"), ("session", "uploaded"))
    queries = (
        "",
        "?detail=simple",
        "?detail=normalized",
        "?entity_id=agent-1",
        "?kind=user&id=alice",
        "?kind=agent&id=agent-1",
    )
    return [
        (path.format(session_id=f"{{{session}}}", file_id=f"{{{file}}}") + query, {})
        for session, file in fills
        for query in queries
    ]  # fmt: skip


RUNS: list[Query] = [
    ("", json_of(session_id="{session}")),
    ("", json_of(session_id="{upload}")),
    ("", json_of(session_id="{agent}", user_id="alice")),
    ("", old("{session}", "{file}")),
    ("", new("{upload}", "{uploaded}")),
    ("", new("{upload}", "{uploaded}", "agent")),
    ("", new("{upload}", "{uploaded}", "skill")),
]
RESULTS = [{"call_id": "call_001", "result": 1}]
UPLOADS: list[Query] = [("", form(session_id="{session}")), ("", form(session_id="{upload}"))]
CASES: dict[str, list[Query]] = {
    "POST /exec": [*RUNS, ("", json_of(runtime_session_hint="{hint}", user_id="alice"))],
    "POST /exec/programmatic": [
        *((path, {"json": {**values["json"], "tools": []}}) for path, values in RUNS),
        ("", json_of(runtime_session_hint="{talk}", user_id="alice", tools=[])),
        ("", {"json": {"continuation_token": "{token}", "tool_results": RESULTS}}),
        ("", {"json": {"continuation_token": "{token}", "tool_results": []}}),
        ("", {"json": {"continuation_token": "{token}", "tool_results": [{"call_id": "other"}], "user_id": "alice"}}),
    ],
    "POST /exec/programmatic/cancel": [("", {"json": {"request_id": "{request}"}})],
    "POST /upload": UPLOADS,
    "POST /upload/batch": UPLOADS,
    "GET /files/{session_id}": by_path("/files/{session_id}"),
    "GET /sessions/{session_id}/objects/{file_id}": by_path("/sessions/{session_id}/objects/{file_id}"),
    "GET /download/{session_id}/{file_id}": [
        *by_path("/download/{session_id}/{file_id}"),
        ("/download/{session}/{file}", {"headers": {"Range": "bytes=0-1"}}),
        ("/download/{session}/{file}", {"headers": {"Range": "bytes=99999-"}}),
    ],
    "DELETE /files/{session_id}/{file_id}": by_path("/files/{session_id}/{file_id}"),
    "DELETE /sessions/{session_id}/objects/{file_id}": by_path("/sessions/{session_id}/objects/{file_id}"),
}
"""For each route, requests that name things by the fields of ``Things``; an empty path is the route's own."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Live an application with tokens and the key, in which Alice has objects and one request in flight."""
    keys = {"codeapi_jwt_public_key": tokens.public_key(), "codeapi_jwt_kid": tokens.KID}
    engine = Counted(service.parts.engine)
    async with serving(tmp_path_factory.mktemp("foreign") / "store", engine, max_sandboxes=500, **keys) as tenants:
        alice = tenants.bearer(tokens.token("alice"))
        things, waiting = await things_of(alice)
        others = (
            tenants.bearer(tokens.token("bob")),
            tenants.bearer(tokens.token("alice", tenant="rival")),
            tenants.caller(User_Id="alice"),
        )
        yield Place(tenants, engine, alice, things, dict(zip(OTHERS, others, strict=True)))
        waiting.cancel()
        await asyncio.wait([waiting])


async def things_of(caller: Caller) -> tuple[Things, asyncio.Task[httpx.Response]]:
    """Make one object of each kind, and leave a request in flight."""
    hint, talk, request = new_id(), new_id(), new_id()
    ran = await caller.exec("echo mine > a.txt", "bash", runtime_session_hint=hint)
    await caller.exec("echo mine > a.txt", "bash", runtime_session_hint=talk)
    uploaded = await caller.upload(("a.txt", b"mine"))
    shared = await caller.upload(("a.txt", b"ours"), kind="agent", id="agent-1")
    program = {"code": "print(await ask())", "tools": [{"name": "ask"}]}
    paused = (await caller.http.post("/exec/programmatic", json=program)).json()
    sleeping = {"code": "sleep 100", "lang": "bash", "tools": []}
    sent = caller.http.post("/exec/programmatic", json=sleeping, headers={"X-LibreChat-Code-Request-ID": request})
    things = Things(
        ran["session_id"], ran["files"][0]["id"], uploaded["session_id"], uploaded["files"][0]["fileId"],
        paused["continuation_token"], hint, talk, request, shared["session_id"], shared["files"][0]["fileId"],
    )  # fmt: skip
    return things, asyncio.ensure_future(sent)


def filled(value: Any, things: Things) -> Any:
    """Insert the ids into a request's fields."""
    if isinstance(value, str):
        for field in fields(Things):
            value = value.replace(f"{{{field.name}}}", getattr(things, field.name))
        return value
    if isinstance(value, dict):
        return {key: filled(inner, things) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(filled(inner, things) for inner in value)
    return value


async def tried(place: Place, caller: Caller, route: str, query: Query, things: Things) -> dict[str, Any]:
    """Send a request; return the visible answer without ids, and the work that it caused."""
    method, path = route.split()
    target, values = query
    with counting(place.service, place.engine) as done:
        answer = await caller.http.request(method, filled(target or path, things), **filled(values, things))
    body = answer.text
    for field in fields(Things):
        body = body.replace(getattr(things, field.name), field.name)
    headers = [(name, value) for name, value in answer.headers.items() if name not in _VARYING_HEADERS]
    return {
        "status": answer.status_code, "headers": headers if "wall_time" not in body else sorted(dict(headers)),
        "body": _ID.sub("id", _WALL_TIME.sub("", body)), "work": done,
    }  # fmt: skip


def routes(app: Any) -> Iterable[str]:
    """Name every route of the application, the console's too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            yield from (f"{method} {route.path}" for method in route.methods - {"HEAD"})


def test_every_route_has_its_cases(service: Service) -> None:
    """K9: every endpoint either takes no ids, or is listed here with a request for another user's."""
    entrance: Any = service.app
    assert set(routes(entrance.app.app)) == CASES.keys() | WITHOUT_IDS | THE_OPERATORS


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("route", CASES)
async def test_foreign_is_absent(place: Place, route: str, other: str) -> None:
    """K9: for Alice's ids and for unknown ids, others get the same answer, for the same work of every part."""
    caller = place.others[other]
    for query in CASES[route]:
        nowhere = await tried(place, caller, route, query, Things.nowhere(place.things))
        foreign = await tried(place, caller, route, query, place.things)
        assert foreign == nowhere, query
        assert "mine" not in json.dumps(foreign["body"])


async def test_after_all_of_it_everything_is_as_it_was(place: Place) -> None:
    """K9: Alice's files, session, paused program and request in flight are unchanged."""
    things, alice = place.things, place.alice
    for caller in place.others.values():
        for route, queries in CASES.items():
            if "DELETE" in route or "cancel" in route:
                await tried(place, caller, route, queries[0], things)
    assert await alice.content(things.session, things.file) == b"mine\n"
    assert await alice.content(things.upload, things.uploaded) == b"mine"
    assert len(await alice.listing(things.session)) == len(await alice.listing(things.upload)) == 1
    again = await alice.exec("cat a.txt", "bash", runtime_session_hint=things.hint)
    assert (again["session_id"], again["stdout"]) == (things.session, "mine\n")
    resumed = {"continuation_token": things.token, "tool_results": RESULTS}
    assert (await alice.http.post("/exec/programmatic", json=resumed)).json()["stdout"] == "1\n"
    cancelled = await alice.http.post("/exec/programmatic/cancel", json={"request_id": things.request})
    assert cancelled.status_code == 200


@pytest.mark.parametrize("path", ["/files/{agent}/{agent_file}", "/sessions/{agent}/objects/{agent_file}"])
@pytest.mark.parametrize("other", OTHERS)
async def test_what_may_only_be_read_is_absent_to_who_would_change_it(place: Place, path: str, other: str) -> None:
    """K9: deleting from, adding to and running in an agent's session answers as if it did not exist."""
    caller = place.others[other]
    nowhere = Things.nowhere(place.things)
    changes = [("DELETE /", (path, {})), ("POST /upload", ("", form(session_id="{agent}"))),
               ("POST /exec", ("", json_of(session_id="{agent}")))]  # fmt: skip
    for route, query in changes:
        foreign = await tried(place, caller, route, query, place.things)
        assert foreign == await tried(place, caller, route, query, nowhere), query


async def test_with_the_key_alone_a_conversation_belongs_to_the_user_that_is_named(service: Service) -> None:
    """K9: another user's hint continues nothing, nor does one without a user; ids alone are capabilities."""
    hint = new_id()
    alice, bob, nobody = service.caller(User_Id="alice"), service.caller(User_Id="bob"), service.caller()
    ran = await alice.exec("echo mine > a.txt", "bash", runtime_session_hint=hint)
    for other in (bob, nobody):
        tried = await other.exec("cat a.txt", "bash", runtime_session_hint=hint)
        assert tried["session_id"] != ran["session_id"] and "mine" not in tried["stdout"]
    again = await alice.exec("cat a.txt", "bash", runtime_session_hint=hint)
    assert (again["session_id"], again["stdout"]) == (ran["session_id"], "mine\n")
    assert (await bob.exec("cat a.txt", "bash", session_id=ran["session_id"]))["stdout"] == "mine\n"
