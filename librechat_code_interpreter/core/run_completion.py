"""The state of one run, and the one place that finishes a run, whether or not it paused for tools."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from librechat_code_interpreter.core import outputs
from librechat_code_interpreter.core.access import private_scope
from librechat_code_interpreter.core.errors import Busy, NotFound, StoreUnavailable
from librechat_code_interpreter.core.inputs import Inputs
from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Lease, Leases, Sandbox, SessionLock
from librechat_code_interpreter.core.run_result import RunResult, result_of
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.session import Record, now
from librechat_code_interpreter.runner.endings import UNCOLLECTED
from librechat_code_interpreter.runner.messages import Reply

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """The state of one run, from its locked session to its result."""

    principal: Principal
    language: Language
    timeline: RunTimeline
    session_id: str
    lock: SessionLock
    """The session's lock. A resumed run has a lock and a lease of its own instead."""

    lease: Lease
    """Names no sandbox until one was acquired."""

    inputs: Inputs = field(default_factory=Inputs)
    new_record: Record | None = None
    """The record of a session that this run creates."""

    reads_one_file: bool = False
    """Whether LibreChat takes the output as the content of a file."""

    sandbox: Sandbox = field(init=False, repr=False)
    is_sandbox_kept: bool = False
    """Whether the session's next run or the paused program uses the sandbox; if not, it is destroyed."""

    @property
    def is_detached(self) -> bool:
        """Whether the run paused, so that other runs may have used its session meanwhile."""
        return self.lock.session_id != self.session_id


class RunCompletion:
    """Finishes runs: collects outputs, records them in the session, and keeps or destroys the sandbox."""

    def __init__(self, store: FileStore, sandboxes: SandboxLeases, leases: Leases) -> None:
        self._store = store
        self._sandboxes = sandboxes
        self._leases = leases

    @asynccontextmanager
    async def cleanup(self, run: Run) -> AsyncIterator[None]:
        """Destroy the run's sandbox after the block, unless it is kept.

        The sandbox of a cancelled, lost or failed run may contain files that were not collected.
        """
        try:
            yield
        finally:
            if not run.is_sandbox_kept:
                await self._sandboxes.discard(run.lock, run.lease.sandbox_id)

    async def finish(self, run: Run, reply: Reply) -> RunResult:
        """Finish a run whose program ended. If its record cannot be written, the result has no files."""
        delivery = await outputs.collect(self._store, run.sandbox, run.session_id, run.inputs, reply)
        run.timeline.lap("collect")
        try:
            async with self._locked_session(run) as lock:
                await self.record(run, delivery, lock)
                if reply.ending not in UNCOLLECTED:
                    await self._keep_sandbox(run, delivery, reply, lock)
        except StoreUnavailable as error:
            log.warning("session %s: a run could not be recorded: %s", run.session_id, error)
            delivery = outputs.nothing_of(delivery)
        run.timeline.lap("record")
        run.timeline.set_reply(reply, delivery)
        return result_of(
            run.session_id, run.language.name, reply, run.inputs, delivery, reads_one_file=run.reads_one_file
        )

    @asynccontextmanager
    async def _locked_session(self, run: Run) -> AsyncIterator[SessionLock | None]:
        """Yield the lock of the run's session, or ``None`` if another run holds it."""
        if not run.is_detached:
            yield run.lock
            return
        async with AsyncExitStack() as stack:
            try:
                lock = await stack.enter_async_context(self._leases.hold(run.session_id, 0))
            except Busy:
                lock = None
            yield lock

    async def record(self, run: Run, delivery: Delivery, lock: SessionLock | None) -> None:
        """Update the session's record, before the client gets its answer. ``lock`` is the session's, if it is held."""

        def apply(record: Record) -> None:
            record.used = now()
            if record.language is None and not run.language.neutral:
                record.language = run.language.bound_as
            outputs.note_in_record(record, delivery, is_overtaken=_is_overtaken(run, lock))

        record = run.new_record
        if record is None:
            try:
                await self._store.change(run.session_id, apply)
                return
            except NotFound:
                if not run.is_detached:
                    raise
                # the session was new, and its record could not be written at the pause
                record = Record(id=run.session_id, scope=private_scope(run.principal), user=run.principal.user)
        apply(record)
        await self._store.create(record)

    async def _keep_sandbox(self, run: Run, delivery: Delivery, reply: Reply, lock: SessionLock | None) -> None:
        """Keep the sandbox for the session's next run, unless the session has another one or the lease was lost."""
        if lock is None or run.lock.lease is None or _has_other_sandbox(run, lock):
            return
        lease = Lease(run.session_id, run.sandbox.id, run.lease.staged)
        outputs.note_in_lease(lease, run.session_id, run.inputs, delivery, reply)
        if run.is_detached:
            await self._leases.drop(run.lock)  # first: two leases on one sandbox would destroy it twice
        run.is_sandbox_kept = await self._sandboxes.keep(lock, lease)


def _is_overtaken(run: Run, lock: SessionLock | None) -> bool:
    """Return whether another run used the session meanwhile, so that its files count as the newer ones."""
    return lock is None or lock.is_lost() or _has_other_sandbox(run, lock)


def _has_other_sandbox(run: Run, lock: SessionLock) -> bool:
    return lock.lease is not None and lock.lease.sandbox_id != run.sandbox.id
