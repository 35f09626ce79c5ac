"""Redis gone, slow, restarted and flushed; the clock set; zygotes killed and out of memory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from attack.own_service import descendants
from tests.engine.processes import is_alive
from tests.faults.count import Count
from tests.faults.scene import Scene, scene
from tests.faults.service import POLL_SECONDS, called, until
from tests.leases.redis_server import RedisServer

_FAKETIME = Path("/usr/lib", f"{os.uname().machine}-linux-gnu", "faketime", "libfaketimeMT.so.1")
_MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
_RUN = {"lang": "bash", "code": "echo 4"}


@contextmanager
def _redis(directory: Path) -> Iterator[RedisServer]:
    directory.mkdir(parents=True)
    server = RedisServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def redis_gone(directory: Path, times: int) -> Count:
    """Files are served, new runs receive 503 before they begin; with Redis back and empty, all works as before."""
    with _redis(directory / "redis") as redis:
        async with scene("Redis gone and restarted empty", directory / "service", REDIS_URL=redis.url) as found:
            for _ in range(times):
                redis.kill()
                found.expect(await found.ledger.upload(found.client, 1000), 200)
                found.expect(await found.client.post("/exec", json=_RUN), 503)
                found.count.times += 1
                await asyncio.to_thread(redis.start)
                await _until_it_runs(found)
        return found.count


async def redis_slow(directory: Path, times: int) -> Count:
    """Redis hangs for a while: runs wait for it or receive 503, and nothing runs twice."""
    with _redis(directory / "redis") as redis:
        async with scene("Redis slow", directory / "service", REDIS_URL=redis.url) as found:
            for _ in range(times):
                redis.pause()
                running = asyncio.ensure_future(found.ledger.run(found.client, 1000))
                found.expect(await found.ledger.upload(found.client, 1000), 200)
                redis.resume()
                found.expect(await running, 200, 503)
                found.count.times += 1
                await _until_it_runs(found)
        return found.count


async def redis_flushed(directory: Path, times: int) -> Count:
    """All leases are lost, also during a run: it ends and is answered, and its session continues."""
    with _redis(directory / "redis") as redis:
        async with scene("Redis flushed", directory / "service", REDIS_URL=redis.url) as found:
            for number in range(times):
                name = f"flushed-{os.getpid()}-{number}"
                program = {"lang": "bash", "code": f"(exec -a {name} sleep 1000) 2>&1; echo went on"}
                running = asyncio.ensure_future(found.client.post("/exec", json=program))
                await until(partial(_runs, found, name), "it runs")
                redis.admin.flushall()
                found.count.times += 1
                pid = called(name, found.process.below())
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                answer = await running
                found.expect(answer, 200)
                await _until_it_runs(found)
                await found.runs(session_id=answer.json()["session_id"])
        return found.count


async def _until_it_runs(found: Scene) -> None:
    async with asyncio.timeout(60):
        while (await found.client.post("/exec", json=_RUN)).status_code != httpx.codes.OK:  # noqa: ASYNC110  it is asked
            await asyncio.sleep(POLL_SECONDS)


async def clock_set(directory: Path, times: int) -> Count:
    """Years forward and back: no session expires by it, and a paused program continues."""
    jumps = ("+400d", "-400d", "+2y", "+1d", "-9d")
    clock = _clock(directory)
    settings = {
        "LD_PRELOAD": str(_FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FILE_TTL_SECONDS": "86400",
    }  # fmt: skip
    async with scene("clock set forward and back", directory / "service", **settings) as found:
        for number in range(times):
            program = {"code": "print(await step())", "tools": [{"name": "step"}]}
            paused = (await found.client.post("/exec/programmatic", json=program)).json()
            clock.write_text(jumps[number % len(jumps)])
            await _swept(found)
            results = [{"call_id": paused["tool_calls"][0]["id"], "result": "went on"}]
            request = {"continuation_token": paused["continuation_token"], "tool_results": results}
            clock.write_text("+0")
            ended = await found.client.post("/exec/programmatic", json=request)
            if ended.json().get("stdout") != "went on\n":
                found.count.left.append(f"a program that waited: {ended.text[:200]}")
            found.count.times += 1
            await found.goes_on()
    return found.count


def _clock(directory: Path) -> Path:
    """Return the file that sets the clock's error; at first it is zero."""
    directory.mkdir(parents=True)
    clock = directory / "clock"
    clock.write_text("+0")
    return clock


async def _swept(found: Scene) -> None:
    """Wait until cleanup ran with the new clock: it starts a self-test each time, whose run is counted."""
    page = re.compile(r"^code_interpreter_pool_made_total\{.*?\} ([\d.]+)$", re.MULTILINE)

    async def made() -> float:
        return sum(map(float, page.findall((await found.client.get("/metrics")).text)))

    before = await made()
    async with asyncio.timeout(60):
        while await made() < before + 2:  # noqa: ASYNC110  two rounds at least
            await asyncio.sleep(POLL_SECONDS)


async def zygote_killed(directory: Path, times: int) -> Count:
    """Runs in progress are reported as lost, none is run twice, the next ones use new zygotes."""
    async with scene("zygote killed", directory / "service", SANDBOX_PRELOAD="json") as found:
        for number in range(times):
            name = f"zygote-{os.getpid()}-{number}"
            program = {"lang": "bash", "code": f"exec -a {name} sleep 1000"}
            running = asyncio.ensure_future(found.client.post("/exec", json=program))
            await until(partial(_runs, found, name), "it runs")
            os.kill(zygotes(found.process.pid)[number % 2], signal.SIGKILL)
            found.count.times += 1
            if number % 2 == 1:  # the loaded one has nothing to do with it, so the run goes on
                pid = called(name, found.process.below())
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            found.expect(await running, 200)
            await found.goes_on()
    return found.count


async def zygote_out_of_memory(directory: Path, times: int) -> Count:
    """The same if the kernel's OOM killer takes it."""
    async with scene("zygote out of memory", directory / "service") as found:
        for _ in range(times):
            pid = zygotes(found.process.pid)[0]
            with _starved(pid):
                asking = asyncio.gather(
                    *(found.client.post("/exec", json=_RUN) for _ in range(6)), return_exceptions=True
                )
                await until(partial(_is_gone, pid), "the zygote is out of memory")
                found.count.times += 1
                for answer in await asking:
                    assert isinstance(answer, httpx.Response), answer
                    found.expect(answer, 200, 503)
            await found.goes_on()
    return found.count


def _runs(found: Scene, name: str) -> bool:
    return called(name, found.process.below()) is not None


def _is_gone(pid: int) -> bool:
    return not is_alive(pid)


def zygotes(service: int) -> list[int]:
    """Return the zygotes of a service, the bare one first: the loaded one is its child."""
    found = [pid for pid in descendants(service) if _namespaces(pid) == 2 and _is_python(pid)]
    return sorted(found, key=lambda pid: _parent(pid) in found)


def _namespaces(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((len(line.split()) - 1 for line in status.splitlines() if line.startswith("NSpid:")), 0)


def _is_python(pid: int) -> bool:
    return "python" in Path(f"/proc/{pid}/comm").read_text()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def _starved(pid: int) -> Iterator[None]:
    """Put a process into a control group that has no memory left."""
    group = _MEMORY_GROUPS / f"starved-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text("65536")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for other in (group / "cgroup.procs").read_text().split():
            (_MEMORY_GROUPS / "cgroup.procs").write_text(other)
        group.rmdir()
