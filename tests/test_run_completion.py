"""The end of a run: what its session's record, its lease and its sandbox are afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from librechat_code_interpreter.core.errors import NotFound
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import Lease, SessionLock, Written
from librechat_code_interpreter.core.run_completion import Run, RunCompletion
from librechat_code_interpreter.core.run_result import RunResult
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.session import FileRecord, Record, now
from librechat_code_interpreter.leases.memory import MemoryLeases
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import ChangedFile, Reply

SESSION, RUN, SANDBOX = "s" * 21, "r" * 21, "sandbox"
CALLER = Principal("none")


class Store:
    """Records in a dictionary; it takes files and forgets them."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    async def create(self, record: Record) -> None:
        self.records[record.id] = record

    async def change(self, session_id: str, apply: Callable[[Record], None]) -> None:
        if session_id not in self.records:
            raise NotFound("There is no such session.")
        apply(self.records[session_id])

    async def write(self, session_id: str, file_id: str, chunks: AsyncIterator[bytes]) -> Written:
        return Written(sum([len(chunk) async for chunk in chunks]), "etag")


class SandboxStub:
    """A sandbox whose id is all that matters."""

    id = SANDBOX


class EngineStub:
    """Lists what it was asked to destroy."""

    def __init__(self) -> None:
        self.destroyed: list[str] = []

    async def destroy(self, sandbox_id: str) -> None:
        self.destroyed.append(sandbox_id)


class Service:
    """What finishing a run needs, with one session that has the file ``b.txt``."""

    def __init__(self) -> None:
        self.store, self.engine, self.leases = Store(), EngineStub(), MemoryLeases()
        engine: Any = self.engine
        store: Any = self.store
        self.completion = RunCompletion(store, SandboxLeases(engine, self.leases, 9), self.leases)
        self.store.records[SESSION] = Record(id=SESSION)

    async def finish(self, lock: SessionLock, reply: Reply | None = None) -> RunResult:
        """Finish a run that wrote ``b.txt``."""
        language = find_language("py")
        sandbox: Any = SandboxStub()
        assert language is not None
        with RunTimeline(Events(), CALLER, "py") as timeline:
            run = Run(CALLER, language, timeline, SESSION, lock, lock.lease or Lease(lock.session_id, SANDBOX))
            run.sandbox = sandbox
            async with self.completion.cleanup(run):
                return await self.completion.finish(run, reply or wrote_b())

    def add_newer_file(self) -> None:
        """Record a ``b.txt`` of another run."""
        record = self.store.records[SESSION]
        record.add(
            FileRecord(id="newer", path="b.txt", size=1, modified=now(), etag="etag", content_type="text/plain"),
            record.by_path(),
        )

    def current(self) -> dict[str, str]:
        """Return the ids of the session's current files by path."""
        return {path: file.id for path, file in self.store.records[SESSION].by_path().items()}

    async def leased(self) -> dict[str, str]:
        """Return the sandbox of each lease."""
        return {lease.session_id: lease.sandbox_id for lease in await self.leases.all()}


def wrote_b() -> Reply:
    """Return the reply of a program that wrote ``b.txt``."""
    return Reply(Ending.OK, code=0, changed=[ChangedFile("b.txt", 1, content="Yg==")])


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_run_keeps_its_sandbox_and_its_files(service: Service) -> None:
    """The record has the file, and the lease knows that the sandbox has it too."""
    async with service.leases.hold(SESSION, 0) as lock:
        await service.leases.keep(lock, Lease(SESSION, SANDBOX))
        result = await service.finish(lock)
    (output,) = result.delivery.outputs
    (lease,) = await service.leases.all()
    assert service.current() == {"b.txt": output.file.id}
    assert (lease.sandbox_id, lease.staged) == (SANDBOX, {"b.txt": f"{SESSION}/{output.file.id}"})
    assert service.engine.destroyed == []


async def test_a_run_that_lost_its_session_overwrites_no_newer_file(service: Service) -> None:
    """Its own file is stored as an older version, and its sandbox is destroyed."""
    async with service.leases.hold(SESSION, 0) as lock:
        await service.leases.keep(lock, Lease(SESSION, SANDBOX))
    service.add_newer_file()
    result = await service.finish(lock)
    (output,) = result.delivery.outputs
    assert service.current() == {"b.txt": "newer"}
    assert service.store.records[SESSION].files[output.file.id].superseded
    assert service.engine.destroyed == [SANDBOX]


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.CANCELLED])
async def test_the_sandbox_of_a_run_without_a_known_end_is_destroyed(service: Service, ending: Ending) -> None:
    """It may hold files that nobody collected."""
    async with service.leases.hold(SESSION, 0) as lock:
        await service.leases.keep(lock, Lease(SESSION, SANDBOX))
        await service.finish(lock, Reply(ending))
    assert (service.engine.destroyed, await service.leased()) == ([SANDBOX], {})


async def test_a_resumed_run_returns_its_sandbox_to_its_session(service: Service) -> None:
    """Its own lease is gone then: two leases on one sandbox would destroy it twice."""
    async with service.leases.hold(RUN, 0) as lock:
        await service.leases.keep(lock, Lease(RUN, SANDBOX))
        await service.finish(lock)
    assert (service.engine.destroyed, await service.leased()) == ([], {SESSION: SANDBOX})


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_resumed_run_yields_to_other_runs_of_its_session(service: Service, is_running: bool) -> None:
    """Whether the other run has ended or not, its files and its sandbox remain the session's."""
    service.add_newer_file()
    async with service.leases.hold(RUN, 0) as lock:
        await service.leases.keep(lock, Lease(RUN, SANDBOX))
        async with service.leases.hold(SESSION, 0) as other:
            await service.leases.keep(other, Lease(SESSION, "other"))
            if is_running:
                await service.finish(lock)
        if not is_running:
            await service.finish(lock)
    assert service.current() == {"b.txt": "newer"}
    assert (service.engine.destroyed, await service.leased()) == ([SANDBOX], {SESSION: "other"})


async def test_a_resumed_run_records_what_its_pause_could_not(service: Service) -> None:
    """The store was away at the pause: the session is created at the end, bound to the program's language."""
    del service.store.records[SESSION]
    async with service.leases.hold(RUN, 0) as lock:
        await service.leases.keep(lock, Lease(RUN, SANDBOX))
        await service.finish(lock)
    assert (list(service.current()), service.store.records[SESSION].language) == (["b.txt"], "py")
