"""Graceful shutdown: runs end, no new ones begin, and the service reports it (K42)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.engine.processes import is_alive
from tests.faults.service import API_KEY, SERVE, UVICORN, Process, called, living, until

Start = Callable[..., AbstractContextManager[Process]]
PROGRAM = "exec 2>&1; (exec -a {name} sleep 1000); echo went on"
CUT = "The service was stopped while the program ran."
STANDS_STILL = (
    b"POST /upload HTTP/1.1\r\nHost: service\r\nX-API-Key: " + API_KEY.encode() + b"\r\nContent-Length: 1000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="b"\r\n\r\nabc'
)
numbers = itertools.count()


@pytest.fixture
def started(tmp_path: Path) -> Start:
    """Start a service with a long DRAIN_SECONDS, unless given."""

    @contextlib.contextmanager
    def start(drain_seconds: int = 1000, command: tuple[str, ...] = UVICORN, **settings: str) -> Iterator[Process]:
        settings["DRAIN_SECONDS"] = str(drain_seconds)
        with living(Process(tmp_path / "service", settings, command)) as process:
            yield process

    return start


@contextlib.asynccontextmanager
async def running(
    process: Process, client: httpx.AsyncClient
) -> AsyncIterator[tuple[asyncio.Task[httpx.Response], int]]:
    """Begin a run; return its future answer, and the process for whose end its program waits."""
    name = f"canary-{os.getpid()}-{next(numbers)}"
    run = {"lang": "bash", "code": PROGRAM.format(name=name), "timeout": 300_000}
    answer = asyncio.ensure_future(client.post("/exec", json=run))
    await until(lambda: called(name, process.below()) is not None, "the program runs")
    pid = called(name, process.below())
    assert pid is not None
    try:
        yield answer, pid
    finally:
        answer.cancel()


async def drains(process: Process) -> None:
    """Send SIGTERM, and wait until the service reports that it drains."""
    process.tell()
    await until(lambda: process.status("/readyz") == 503, "the service drains")


async def nothing_is_left(below: list[int]) -> None:
    """No process that it started outlives the service."""
    await until(lambda: not any(is_alive(pid) for pid in below), "everything ended")


@pytest.mark.parametrize("command", [UVICORN, SERVE], ids=["uvicorn", "serve"])
async def test_runs_end_well_and_no_new_ones_begin(started: Start, command: tuple[str, ...]) -> None:
    """Readiness is 503, also for new connections; new runs receive ``Retry-After``; files are served."""
    with started(command=command) as process:
        async with process.client() as client, running(process, client) as (answer, pid):
            below = process.below()
            await drains(process)
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["status"], ready.headers["Retry-After"]) == (503, "draining", "5")
            assert process.status("/healthz") == 200
            refused = await client.post("/exec", json={"lang": "py", "code": "print(1)"})
            assert (refused.status_code, refused.json()["error"], "Retry-After" in refused.headers) == (
                503, "draining", True,
            )  # fmt: skip
            uploaded = (await client.post("/upload", files={"file": ("a.txt", b"a")})).json()
            got = await client.get(f"/download/{uploaded['session_id']}/{uploaded['files'][0]['fileId']}")
            assert got.content == b"a"
            os.kill(pid, signal.SIGKILL)
            body = (await answer).json()
            assert ("went on" in body["stdout"], body["code"]) == (True, 0)
            assert await process.ended() == 0
            await nothing_is_left(below)


async def test_runs_that_take_too_long_are_cut_off_with_an_answer(started: Start) -> None:
    """After DRAIN_SECONDS: 200 with the reason on stderr, since the program has begun; waiting runs receive 503."""
    with started(1, MAX_CONCURRENT_RUNS="1", MAX_QUEUED_RUNS="1", QUEUE_TIMEOUT_SECONDS="300") as process:
        async with process.client() as client, running(process, client) as (answer, _):
            below = process.below()
            two = {asyncio.ensure_future(client.post("/exec", json={"lang": "bash", "code": ""})) for _ in range(2)}
            (refused,), (queued,) = await asyncio.wait(two, return_when=asyncio.FIRST_COMPLETED)
            assert (await refused).status_code == 429  # so the other one has taken the only place to wait
            process.tell()
            body = (await answer).json()
            assert (body["status"], body["files"]) == ("SG", [])
            assert CUT in body["stderr"]
            assert ((await queued).status_code, (await queued).json()["error"]) == (503, "draining")
            assert await process.ended() == 0
            await nothing_is_left(below)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)])
async def test_the_second_signal_ends_the_wait(started: Start, number: signal.Signals, code: int) -> None:
    """Runs are cut off at once, and still answered; the exit code shows the second SIGTERM."""
    with started() as process:
        async with process.client() as client, running(process, client) as (answer, _):
            below = process.below()
            await drains(process)
            process.tell(number)
            assert CUT in (await answer).json()["stderr"]
            assert await process.ended() == code
            await nothing_is_left(below)


async def test_a_program_that_waits_for_a_tool_gets_its_result(started: Start) -> None:
    """Paused programs may be resumed: the service waits for the results, and accepts them."""
    program = {"code": "print(await step())", "tools": [{"name": "step"}]}
    with started() as process:
        async with process.client() as client:
            paused = (await client.post("/exec/programmatic", json=program)).json()
            await drains(process)
            results = [{"call_id": paused["tool_calls"][0]["id"], "result": "went on"}]
            body = {"continuation_token": paused["continuation_token"], "tool_results": results}
            ended = (await client.post("/exec/programmatic", json=body)).json()
            assert (ended["status"], ended["stdout"]) == ("completed", "went on\n")
            assert await process.ended() == 0


async def test_a_program_that_waits_for_ever_does_not_hold_the_service(started: Start) -> None:
    """After DRAIN_SECONDS the service ends, with its paused programs."""
    program = {"code": "print(await step())", "tools": [{"name": "step"}]}
    with started(1) as process:
        async with process.client() as client:
            await client.post("/exec/programmatic", json=program)
            below = process.below()
            process.tell()
            assert await process.ended() == 0
            await nothing_is_left(below)


async def test_an_upload_and_a_download_under_way_come_to_their_end(started: Start) -> None:
    """The port closes after the last answer, not before."""
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        head, foot = b'--x\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\n', b"\r\n--x--\r\n"
        yield head
        await go_on.wait()
        yield foot

    large = bytes(16 << 20)
    with started() as process:
        async with process.client() as client:
            made = (await client.post("/upload", files={"file": ("a", large)})).json()
            where = f"/download/{made['session_id']}/{made['files'][0]['fileId']}"
            form = {"Content-Type": "multipart/form-data; boundary=x"}
            upload = asyncio.ensure_future(client.post("/upload", content=slowly(), headers=form))
            async with client.stream("GET", where) as download:
                await drains(process)
                go_on.set()
                assert (await upload).json()["message"] == "success"
                assert b"".join([chunk async for chunk in download.aiter_bytes()]) == large
            assert await process.ended() == 0


async def test_requests_that_never_end_are_broken_off(started: Start) -> None:
    """A stalled upload receives 503 after DRAIN_SECONDS, a download that is not read is cut."""
    with started(1) as process:
        async with process.client() as client:
            made = (await client.post("/upload", files={"file": ("a", bytes(16 << 20))})).json()
            where = f"/download/{made['session_id']}/{made['files'][0]['fileId']}"

            answers, upload = await asyncio.open_connection("127.0.0.1", process.port)
            upload.write(STANDS_STILL)
            async with client.stream("GET", where):
                process.tell()
                answer = await answers.read()
                assert b" 503 " in answer.splitlines()[0]
                assert b'"error":"draining"' in answer
                assert await process.ended() == 0
            upload.close()
