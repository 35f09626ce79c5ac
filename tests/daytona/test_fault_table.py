"""For every failure of Daytona, the client gets the result or a 503, and no program runs twice.

What was left behind is asked of the emulator; how often something was executed stands in its log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.daytona.config import Deployment
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from tests.contract.caller import Caller
from tests.contract.service import Service, serving
from tests.daytona.cloud import Cloud, until

TRACE = "print('ran'); open('trace', 'a').write('x')"
EXECUTE = "/process/execute$"


@dataclass(frozen=True)
class Setting:
    """A service over the emulator, its engine, and a caller whose session has a sandbox already."""

    cloud: Cloud
    engine: DaytonaEngine
    service: Service
    caller: Caller
    session_id: str
    sandbox_id: str
    app: str
    """The label of this service's sandboxes."""

    async def run(self, code: str = TRACE, **body: Any) -> httpx.Response:
        """Run a program in the session."""
        body = {"lang": "py", "code": code, "session_id": self.session_id, **body}
        return await self.caller.http.post("/exec", json=body)

    def executed(self, calls: list[str]) -> int:
        """Count the calls that run something."""
        return sum(call.endswith("/process/execute") for call in calls)

    def left_behind(self) -> set[str]:
        """Name this service's sandboxes that are not the session's first one."""
        return self.cloud.of(self.app) - {self.sandbox_id}


@pytest_asyncio.fixture
async def setting(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Setting]:
    """Start a service, and run something."""
    engine = DaytonaEngine(cloud.settings(), MemoryPool(), deployment=Deployment(tmp_path.name))
    async with serving(tmp_path, engine, run_timeout_seconds=20) as service:
        caller = service.caller()
        answer = await caller.exec("print('first'); open('kept', 'w').write('kept')")
        (lease,) = await service.parts.leases.all()
        yield Setting(cloud, engine, service, caller, answer["session_id"], lease.sandbox_id, tmp_path.name)
    assert cloud.of(tmp_path.name) == set()


def succeeded(answer: httpx.Response, stdout: str = "ran\n") -> bool:
    """Return whether the client got the result."""
    return answer.status_code == 200 and answer.json()["stdout"] == stdout


def lost(answer: httpx.Response) -> bool:
    """Return whether the reply reports that the sandbox died during the run."""
    return answer.status_code == 200 and "may have had effects" in answer.json()["stderr"]


def postponed(answer: httpx.Response, seconds: range) -> bool:
    """Return whether the reply is a 503 with a ``Retry-After`` in this range."""
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) in seconds


@pytest.mark.parametrize("state", ["destroyed", "stopped", "error"])
async def test_a_sandbox_that_is_gone_is_replaced(setting: Setting, state: str) -> None:
    """Gone, stopped, unhealthy: the toolbox answers 401 or 400, and the run moves to a fresh sandbox with its files."""
    setting.cloud.force(setting.sandbox_id, state)
    assert succeeded(await setting.run("print(open('kept').read())"), "kept\n")
    await setting.cloud.until_gone(setting.sandbox_id)


@pytest.mark.parametrize("gone", [401, 404, 400])
@pytest.mark.parametrize("old_daemon", [False, True])
async def test_any_refusal_of_the_toolbox_means_a_fresh_sandbox(setting: Setting, gone: int, old_daemon: bool) -> None:
    """Daytona has several texts for an absent sandbox, and old daemons send none."""
    with setting.cloud.set_to(gone_status=gone, old_daemon=old_daemon):
        setting.cloud.force(setting.sandbox_id, "destroyed")
        assert succeeded(await setting.run())


async def test_an_inexplicable_502_before_the_program_starts_is_survived(setting: Setting) -> None:
    """The sandbox lives and has not seen the run: it is cancelled there, and runs in a fresh one."""
    with setting.cloud.counting() as calls, setting.cloud.fault("bad-gateway", path=EXECUTE):
        assert succeeded(await setting.run())
    assert "GET /sandbox/{id}" in calls
    await setting.cloud.until_gone(setting.sandbox_id)


async def test_a_connection_that_drops_before_the_program_starts_is_survived(setting: Setting) -> None:
    """As when the other end closed an idle connection."""
    with setting.cloud.fault("drop", path=EXECUTE):
        assert succeeded(await setting.run())


@pytest.mark.parametrize("fault", [{"preset": "lose-reply"}, {"preset": "bad-gateway", "path": EXECUTE, "work": True}])
async def test_an_answer_that_is_lost_is_told_and_the_program_not_run_again(
    setting: Setting, fault: dict[str, Any]
) -> None:
    """The program may have run: its outcome is reported as unknown, and the sandbox is destroyed."""
    with setting.cloud.counting() as calls, setting.cloud.fault(**fault):
        assert lost(await setting.run())
    assert setting.executed(calls) == 2, "the run, and the attempt to call it off"
    await setting.cloud.until_gone(setting.sandbox_id)
    assert succeeded(await setting.run("print(open('kept').read())"), "kept\n")


async def test_a_502_for_a_sandbox_that_was_stopped_long_before_is_survived(setting: Setting) -> None:
    """The sandbox changed its state before the run was sent, so the program cannot have started."""
    setting.cloud.force(setting.sandbox_id, "stopped")
    await asyncio.sleep(5.5)  # the clocks of two machines may differ by some seconds
    with setting.cloud.set_to(stopped_status=502, old_daemon=True):
        assert succeeded(await setting.run())


async def test_a_502_for_a_sandbox_that_vanished_is_told(setting: Setting) -> None:
    """It is unknown whether the sandbox vanished before the start or during the run, so nothing is repeated."""
    with setting.cloud.set_to(gone_status=502, old_daemon=True), setting.cloud.counting() as calls:
        setting.cloud.force(setting.sandbox_id, "destroyed")
        assert lost(await setting.run())
    assert setting.executed(calls) == 1
    assert succeeded(await setting.run("print(open('kept').read())"), "kept\n")


async def test_a_502_that_says_that_it_reached_nobody_is_survived(setting: Setting) -> None:
    """A proxy that could not connect has not passed the run on."""
    body = "proxy error: dial tcp: connect: connection refused"
    with setting.cloud.fault(method="POST", path=EXECUTE, status=502, body=body):
        setting.cloud.force(setting.sandbox_id, "destroyed")
        assert succeeded(await setting.run())


async def test_an_answer_that_is_cut_off_is_told(setting: Setting) -> None:
    """A truncated answer counts as none."""
    with setting.cloud.fault(method="POST", path=EXECUTE, cut_bytes=60):
        assert lost(await setting.run())


async def test_a_frame_that_is_cut_off_is_told(setting: Setting) -> None:
    """A complete HTTP answer with a truncated frame counts as none."""
    body = {"exitCode": 0, "result": "noise\n#frame 0123 500 abc"}
    with setting.cloud.fault(method="POST", path=EXECUTE, status=200, body=body, work=True):
        assert lost(await setting.run())


async def test_exit_code_minus_one_is_survived_when_nothing_started(setting: Setting) -> None:
    """With HTTP 200 it means that the daemon could not run the command."""
    with setting.cloud.fault("exit-minus-one"):
        assert succeeded(await setting.run())


async def test_exit_code_minus_one_after_the_start_is_told(setting: Setting) -> None:
    """Or that the command was killed under it."""
    with setting.cloud.fault("exit-minus-one", work=True):
        assert lost(await setting.run())


async def test_the_daemons_own_time_out_is_told(setting: Setting) -> None:
    """A 408 comes without output; the program had started."""
    with setting.cloud.fault("exec-timeout", work=True):
        assert lost(await setting.run())


async def test_a_program_that_kills_everything_it_can_is_not_run_again(setting: Setting) -> None:
    """A program cannot make the service believe that it never started."""
    with setting.cloud.counting() as calls:
        answer = await setting.run("import os, signal\nopen('trace', 'w')\nos.kill(-1, signal.SIGKILL)")
    assert answer.status_code == 200
    assert setting.executed(calls) <= 2
    assert "ran" not in answer.json()["stdout"]
    assert succeeded(await setting.run())


def is_limited(answer: httpx.Response) -> bool:
    """Return whether the client got a 429 with Daytona's longest time, or our default where the SDK drops it."""
    return postponed(answer, range(2, 6)) and answer.json()["error"] == "engine_limited"


async def test_a_rate_limit_on_a_run_costs_no_sandbox(setting: Setting) -> None:
    """Nothing ran and nothing is retried at once; the next run needs one call."""
    ref = await setting.caller.upload_one("input.csv", b"1,2\n")
    with setting.cloud.counting() as calls, setting.cloud.fault("rate-limit", path=EXECUTE, times=None):
        assert is_limited(await setting.run(files=[ref]))
    assert calls == ["POST /files/bulk-upload", "POST /process/execute"]
    with setting.cloud.counting() as calls:
        answer = await setting.run("print(open('input.csv').read() + open('kept').read())", files=[ref])
    assert succeeded(answer, "1,2\nkept\n")
    assert calls == ["POST /process/execute"]
    assert not setting.left_behind()


async def test_a_rate_limit_while_files_are_staged_costs_no_sandbox(setting: Setting) -> None:
    """A file that did not arrive is staged again; an older file of that name is not mistaken for it."""
    old, new = [await setting.caller.upload_one("input.csv", data) for data in (b"old", b"new")]
    assert succeeded(await setting.run("print(open('input.csv').read())", files=[old]), "old\n")
    with setting.cloud.counting() as calls, setting.cloud.fault("rate-limit", path="/files/bulk-upload", times=None):
        assert is_limited(await setting.run(files=[new]))
    assert setting.executed(calls) == 0
    for ref, text in ((old, "old\n"), (new, "new\n")):
        assert succeeded(await setting.run("print(open('input.csv').read())", files=[ref]), text)
    assert set(setting.cloud.of(setting.app)) == {setting.sandbox_id}


async def test_a_rate_limit_while_the_sandbox_is_looked_up_costs_no_sandbox(setting: Setting) -> None:
    """As it is after a long pause."""
    known = await setting.engine.find(setting.sandbox_id)
    assert known is not None
    known.heard_at -= 55 * 60
    with setting.cloud.fault("rate-limit", method="GET", path="/api/sandbox/", times=None):
        assert is_limited(await setting.run())
    with setting.cloud.counting() as calls:
        assert succeeded(await setting.run())
    assert calls == ["GET /sandbox/{id}", "POST /process/execute"]
    assert set(setting.cloud.of(setting.app)) == {setting.sandbox_id}


async def test_a_rate_limit_on_a_create_is_handed_on(setting: Setting) -> None:
    """Likewise for a new session."""
    with setting.cloud.counting() as calls, setting.cloud.fault("rate-limit", path="/api/sandbox$", times=None):
        assert postponed(await setting.run(session_id=None), range(2, 4))
    assert calls == ["POST /sandbox"]
    await until(lambda: not setting.left_behind())


async def test_a_used_up_quota_is_a_503_with_a_time(setting: Setting) -> None:
    """Daytona says 400; its text distinguishes a quota from a bug of the service. There is no retry."""
    with setting.cloud.counting() as calls, setting.cloud.fault("quota", times=None):
        assert postponed(await setting.run(session_id=None), range(20, 61))
    assert calls == ["POST /sandbox"]
    await until(lambda: not setting.left_behind())


async def test_a_revoked_key_is_a_503(setting: Setting) -> None:
    """Only the operator can fix it; the client gets a 503."""
    with setting.cloud.fault("unauthorized", times=None):
        assert postponed(await setting.run(session_id=None), range(30, 301))


async def test_a_failing_control_plane_is_tried_twice_and_then_a_503(setting: Setting) -> None:
    """Sessions that have a sandbox continue meanwhile."""
    with setting.cloud.fault("unavailable", path="^/api/", times=None):
        assert postponed(await setting.run(session_id=None), range(1, 16))
        assert succeeded(await setting.run())
    await until(lambda: not setting.left_behind())


async def test_a_sandbox_that_comes_up_ill_is_a_503_and_deleted(setting: Setting) -> None:
    """The runner cannot be installed, on either attempt."""
    with setting.cloud.fault("bad-gateway", path=EXECUTE, times=None):
        assert postponed(await setting.run(session_id=None), range(1, 16))
    await until(lambda: not setting.left_behind())


async def test_a_sandbox_that_is_not_up_in_time_is_deleted(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK gives up with the sandbox's id; it is deleted as soon as Daytona allows it."""
    monkeypatch.setattr("librechat_code_interpreter.engines.daytona.client.CREATE_SECONDS", 1)
    with setting.cloud.set_to(warm_create_seconds=3.0, allow_delete_while_changing=True):
        assert postponed(await setting.run(session_id=None), range(1, 16))
        await until(lambda: not setting.left_behind())


async def test_a_sandbox_that_cannot_be_deleted_yet_is_deleted_later(setting: Setting) -> None:
    """409 means later: the next sweep retries."""
    conflict: dict[str, Any] = {
        "method": "DELETE",
        "path": "/api/sandbox/",
        "status": 409,
        "body": {"statusCode": 409, "message": "no"},
    }
    with setting.cloud.fault(**conflict), setting.cloud.counting():
        await setting.engine.destroy(setting.sandbox_id)
        await until(lambda: "DELETE /sandbox/{id}" in setting.cloud.calls())
    assert setting.sandbox_id in setting.cloud.sandboxes()
    assert await setting.engine.find(setting.sandbox_id) is None
    assert await setting.engine.sweep(set()) == 1
    await setting.cloud.until_gone(setting.sandbox_id)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502, "body": "bad gateway"}, {"status": 400}])
async def test_a_failing_upload_is_done_again_in_a_fresh_sandbox(setting: Setting, fault: dict[str, Any]) -> None:
    """Nothing has run yet."""
    ref = await setting.caller.upload_one("input.csv", b"1,2\n")
    with setting.cloud.fault(path="/files/bulk-upload", **fault):
        assert succeeded(await setting.run("print(open('input.csv').read())", files=[ref]), "1,2\n\n")


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502, "body": "bad gateway"}, {"cut_bytes": 1000}])
async def test_a_failing_download_costs_one_file_and_not_the_answer(setting: Setting, fault: dict[str, Any]) -> None:
    """The program ran, so its output is returned; the missing file is named."""
    with setting.cloud.fault(path="/files/bulk-download", times=None, **fault):
        answer = await setting.run("print('ran'); open('large', 'wb').write(bytes(900_000))")
    assert succeeded(answer)
    assert "large was not delivered" in answer.json()["stderr"]


async def test_a_client_that_leaves_during_a_create_costs_no_sandbox(setting: Setting) -> None:
    """A requested sandbox is finished and then deleted, since there is no capacity for a spare."""
    with setting.cloud.set_to(warm_create_seconds=0.5):
        making = asyncio.create_task(setting.engine.create())
        await until(lambda: bool(setting.left_behind()))
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        assert len(setting.left_behind()) == 1
        await until(lambda: not setting.left_behind())
