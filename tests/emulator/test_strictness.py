"""The emulator refuses what Daytona refuses."""

from __future__ import annotations

from typing import Any

import pytest
from daytona import AsyncDaytona, AsyncSandbox, DaytonaAuthenticationError

from devtools.daytona_emulator.replies import InvalidReply, check
from tests.emulator.emulator import Emulator

INTEGERS = ["autoStopInterval", "autoDeleteInterval", "ttlMinutes", "cpu", "memory", "disk", "queueTimeout"]


@pytest.mark.parametrize("value", [1.0, 1.5, "1", True, [1]])
@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_of_create_is_an_integer(emulator: Emulator, name: str, value: Any):
    """A float, even a whole one, a string and a boolean are refused where an integer belongs."""
    with emulator.raw() as client:
        reply = client.post("/api/sandbox", json={name: value})
    assert reply.status_code == 400
    assert reply.json()["message"] == f"{name} must be an integer"


@pytest.mark.parametrize("value", [1.0, "1", True])
async def test_the_time_out_of_exec_is_an_integer(sandbox: AsyncSandbox, emulator: Emulator, value: Any):
    """The toolbox refuses other time-outs in its own words."""
    with emulator.raw() as client:
        body = {"command": "true", "timeout": value}
        reply = client.post(f"/toolbox/{sandbox.id}/process/execute", json=body)
    assert (reply.status_code, reply.json()["source"]) == (400, "DAYTONA_DAEMON")


@pytest.mark.parametrize("path", ["autostop/1.0", "autostop/x", "autostop/-1", "ttl/2.5"])
async def test_an_interval_is_an_integer(sandbox: AsyncSandbox, emulator: Emulator, path: str):
    """Intervals in a path are whole minutes."""
    with emulator.raw() as client:
        assert client.post(f"/api/sandbox/{sandbox.id}/{path}").status_code == 400


@pytest.mark.parametrize("body", ["", "[]", "{", '{"labels": {"a": 1}}', '{"labels": []}', '{"public": "yes"}'])
def test_a_body_that_is_none(emulator: Emulator, body: str):
    """What is not an object of the right types is refused."""
    with emulator.raw() as client:
        assert client.post("/api/sandbox", content=body).status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=1.0", "limit=1000", "labels=x", "cursor=x", "sort=x"])
def test_a_list_that_is_asked_for_wrongly(emulator: Emulator, query: str):
    """Limits, labels, cursors and orders are checked."""
    with emulator.raw() as client:
        assert client.get(f"/api/sandbox?{query}").status_code == 400


async def test_the_key_is_checked_everywhere(sandbox: AsyncSandbox, emulator: Emulator):
    """A wrong key is a 401 at the control plane and at the toolbox."""
    async with emulator.sdk(key="wrong") as stranger:
        with pytest.raises(DaytonaAuthenticationError):
            await stranger.get(sandbox.id)
        with pytest.raises(DaytonaAuthenticationError):
            await stranger.create(timeout=60)
    with emulator.raw() as client:
        path = f"/toolbox/{sandbox.id}/process/execute"
        assert client.post(path, json={"command": "true"}, headers={"Authorization": ""}).status_code == 401


async def test_what_the_emulator_lacks_says_so(sdk: AsyncDaytona, emulator: Emulator):
    """A part of Daytona that is not emulated is a 501 which names it."""
    with emulator.raw() as client:
        reply = client.get("/api/volumes")
    assert reply.status_code == 501
    assert "/api/volumes" in reply.json()["message"]


def test_a_reply_that_the_sdk_could_not_read_never_leaves():
    """A sandbox without kvm, and an integer that is a float, fail the emulator's own check."""
    with pytest.raises(InvalidReply, match="kvm"):
        check("Sandbox", {"id": "x"})
    with pytest.raises(InvalidReply, match="exit_code"):
        check("ExecuteResponse", {"exitCode": 1.0, "result": ""})
    check("ExecuteResponse", {"exitCode": 1, "result": ""})
