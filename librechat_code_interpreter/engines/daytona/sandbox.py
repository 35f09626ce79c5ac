"""One Daytona sandbox: stage files, collect files, run programs."""

from __future__ import annotations

import base64
import binascii
import errno
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NoReturn

import aiohttp
from daytona import AsyncSandbox, DaytonaError

from librechat_code_interpreter.core import paths
from librechat_code_interpreter.core.errors import EngineLimited, EngineUnavailable, Unavailable
from librechat_code_interpreter.core.protocols import Chunks, Staged
from librechat_code_interpreter.core.untrusted import parse_reply
from librechat_code_interpreter.engines.daytona import bootstrap, errors
from librechat_code_interpreter.engines.daytona.client import Client
from librechat_code_interpreter.engines.daytona.errors import State
from librechat_code_interpreter.engines.daytona.layout import Known
from librechat_code_interpreter.engines.daytona.runner_exec import (
    KiB,
    NotStarted,
    OutcomeUnknown,
    Pipe,
    new_nonce,
    shown,
    told,
)
from librechat_code_interpreter.engines.daytona.upload import Delivery
from librechat_code_interpreter.engines.program_env import program_env
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.files import Layout, Look
from librechat_code_interpreter.runner.messages import Pause, Reply, Request, Results

log = logging.getLogger(__name__)

MiB = 1024 * KiB
GiB = 1024 * MiB

GRACE_SECONDS = 20
"""Time a run may take beyond its limit: start, the two workspace scans, the network."""

ASK_SECONDS = 15
PREPARE_SECONDS = 60
DOWNLOAD_SECONDS = 300
INLINE_FILE_BYTES = 256 * KiB
INLINE_TOTAL_BYTES = 2 * MiB
_DAEMON_BYTES = 192 * MiB
_CLOCK_SECONDS = 5.0


class DaytonaSandbox:
    """Handle of one sandbox. If its workspace is not known to this process, ``_known`` is ``None``."""

    def __init__(self, client: Client, remote: AsyncSandbox, *, is_baked: bool, expires_at: float) -> None:
        self.id: str = remote.id
        self.is_gone = False
        self.waits = False
        """Whether a paused program in it waits for tool results."""

        self.expires_at = expires_at
        self.made_at = self.heard_at = time.monotonic()
        self._client = client
        self._remote = remote
        self._pipe = Pipe(remote, bootstrap.runner_path(is_baked=is_baked), client.calls)
        self._known: Known | None = None
        self._sizes: dict[str, int] = {}

    @property
    def remote(self) -> AsyncSandbox:
        """The SDK's object for this sandbox."""
        return self._remote

    async def prepare(self) -> None:
        """Create the directories and install the runner: one round trip. Raises ``EngineUnavailable``."""
        nonce = new_nonce()
        try:
            output = await self._pipe.shell(bootstrap.command(nonce), PREPARE_SECONDS)
        except (NotStarted, OutcomeUnknown) as error:
            log.warning("sandbox %s could not be prepared: %s", self.id, error)
            raise EngineUnavailable("A new sandbox did not answer.") from error
        try:
            reason = bootstrap.error_in(output, nonce)
        except ValueError:
            log.warning("sandbox %s could not be prepared, it said %s", self.id, shown(output))
            raise EngineUnavailable("The sandboxes of this account cannot start python3.") from None
        if reason is not None:
            raise EngineUnavailable(f"The sandboxes of this account cannot serve: {reason}.")

    def starts_empty(self) -> None:
        """Record that the workspace is empty."""
        self._known = Known(Layout())

    def _must_live(self) -> None:
        if self.is_gone:
            raise EngineUnavailable("The sandbox is gone.")

    # --- files -------------------------------------------------------------------------------------------------------

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Write files into the workspace; return a reason for each path that could not be written."""
        self._must_live()
        for item in files:
            self._sizes.pop(item.path, None)
        try:
            return await Delivery(self._pipe, self._known).bring(files)
        except (NotStarted, OutcomeUnknown, DaytonaError) as error:
            self._raise_trouble(error)

    def _raise_trouble(self, error: Exception) -> NoReturn:
        if isinstance(error, DaytonaError) and not errors.is_about_the_sandbox(error):
            raise errors.refusal(error, "take files") from error
        log.info("sandbox %s takes no files: %s", self.id, told(error) if isinstance(error, DaytonaError) else error)
        raise EngineUnavailable("The sandbox does not take files.") from error

    def get(self, path: str) -> Chunks:
        """Read one file of the workspace; one round trip if the last run reported its size."""
        return self._get(path)

    async def _get(self, path: str) -> AsyncIterator[bytes]:
        self._must_live()
        if paths.clean(path) != path:
            raise OSError(errno.EINVAL, "no path in the workspace", path)
        size = self._sizes.get(path)
        if size is None:
            look = await self._look(path)
            if look.content is not None:
                try:
                    yield base64.b64decode(look.content)
                except binascii.Error as error:
                    raise OSError(errno.EIO, "it arrived broken", path) from error
                return
            size = look.size
        async for chunk in self._download(path, size):
            yield chunk

    async def _look(self, path: str) -> Look:
        try:
            answer = await self._pipe.order("look", ASK_SECONDS, path=path, most_bytes=MiB)
        except (NotStarted, OutcomeUnknown, Unavailable) as error:
            raise OSError(errno.EIO, "the sandbox does not answer", path) from error
        try:
            look = parse_reply(Look, answer.get("look"))
        except ValueError as error:
            raise OSError(errno.EIO, "the sandbox does not answer", path) from error
        if look.error is not None:
            raise OSError(errno.EINVAL, look.error, path)
        return look

    async def _download(self, path: str, size: int) -> AsyncIterator[bytes]:
        """Stream a file. Every error becomes an ``OSError``, so that one file does not fail the complete reply."""
        missing = size
        try:
            remote_path = f"{bootstrap.WORKSPACE}/{path}"
            with self._client.calls.timed("download"):
                stream: Any = await self._remote.fs.download_file_stream(remote_path, timeout=DOWNLOAD_SECONDS)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    missing -= len(chunk)
                    yield chunk
        except (DaytonaError, aiohttp.ClientError, TimeoutError) as error:
            if size or self.is_gone:  # the SDK raises an error for an empty file
                raise OSError(errno.EIO, "the sandbox did not hand it over", path) from error
        if missing:
            raise OSError(errno.EIO, "it was cut off on the way", path)

    # --- runs --------------------------------------------------------------------------------------------------------

    async def exchange(self, request: Request) -> Reply:
        """Run one program in one round trip. Cancelling kills it in the background."""
        reply = await self._start("run", request)
        assert isinstance(reply, Reply)  # noqa: S101  without tools nothing pauses
        return reply

    async def begin(self, request: Request) -> Reply | Pause:
        """Run one program to its end or first pause, in one round trip; a pause waits in the sandbox, not here."""
        return await self._start("begin", request, secret=new_nonce())

    async def resume(self, results: Results) -> Reply | Pause:
        """Resume the paused program, in one round trip. Cancelling kills it in the background."""
        self._must_live()
        nonce, _, secret = results.key.partition(":")
        self._known, self._sizes = None, {}
        has_ended = False
        try:
            answer = await self._bring(results, nonce, secret)
            has_ended = True
        except EngineLimited:
            has_ended = True
            raise
        except NotStarted as error:
            has_ended = True
            raise EngineUnavailable("The sandbox in which the program waited is gone.") from error
        except OutcomeUnknown as error:
            has_ended = True
            log.warning("sandbox %s: a run that went on was not heard of again: %s", self.id, error)
            return Reply(Ending.LOST, signal="SIGKILL")
        finally:
            if not has_ended:
                self._client.in_background(self._stop(nonce))
        return self._heard(answer, results.key)

    async def _bring(self, results: Results, nonce: str, secret: str) -> dict[str, Any]:
        """Send results. If no reply arrives, ask for it once more; a repeated request has no effect of its own."""
        seconds = math.ceil(self._client.longest_run_seconds) + GRACE_SECONDS
        message = {"number": results.number, "results": [item.to_json() for item in results.results]}
        try:
            return await self._pipe.order("resume", seconds, path=nonce, secret=secret, results=message)
        except OutcomeUnknown as error:
            log.info("sandbox %s: asking again for an answer that did not come: %s", self.id, error)
            return await self._pipe.order("resume", seconds, path=nonce, secret=secret, results=message, again=True)

    async def _start(self, verb: str, request: Request, **fields: Any) -> Reply | Pause:
        self._must_live()
        nonce, posted_at = new_nonce(), time.time()
        before = self._known, self._sizes
        self._known, self._sizes = None, {}  # unknown while it runs
        has_ended = False
        try:
            answer = await self._pipe.order(
                verb,
                math.ceil(request.limits.wall_seconds) + GRACE_SECONDS,
                nonce,
                request=self._completed(request).to_json(),
                **fields,
            )
            has_ended = True
        except EngineLimited:
            has_ended = True
            self._known, self._sizes = before
            raise
        except NotStarted as error:
            has_ended = True
            log.info("sandbox %s was gone before the run: %s", self.id, error)
            raise EngineUnavailable("The sandbox was gone before the run.") from error
        except OutcomeUnknown as error:
            has_ended = True
            log.warning("sandbox %s: a run was not heard of again: %s", self.id, error)
            if await self._call_off(nonce, posted_at):
                raise EngineUnavailable("The sandbox did not start the program.") from error
            return Reply(Ending.LOST, signal="SIGKILL", nonce=request.nonce)
        finally:
            if not has_ended:
                self._client.in_background(self._stop(nonce))
        return self._heard(answer, f"{nonce}:{fields.get('secret')}")

    def _heard(self, answer: dict[str, Any], key: str) -> Reply | Pause:
        self.heard_at = time.monotonic()
        self.waits = "pause" in answer
        if "error" in answer:
            raise EngineUnavailable(f"The sandbox did not run it: {shown(str(answer['error']))}.")
        try:
            if "pause" in answer:
                return replace(parse_reply(Pause, answer["pause"]), key=key)
            reply, layout = parse_reply(Reply, answer.get("reply")), parse_reply(Layout, answer.get("layout"))
        except ValueError as error:  # a program may have taken over its runner
            log.warning("sandbox %s: a runner said what is no answer: %s", self.id, error)
            self.waits = False
            return Reply(Ending.LOST, signal="SIGKILL")
        self._known = Known(layout) if layout.is_plain else None
        self._sizes = {item.path: item.size for item in reply.changed}
        return reply

    def _completed(self, request: Request) -> Request:
        """Add the directories, the programs' environment and the limits for files inside the reply."""
        limits = replace(
            request.limits,
            inline_file_bytes=max(request.limits.inline_file_bytes, INLINE_FILE_BYTES),
            inline_total_bytes=max(request.limits.inline_total_bytes, INLINE_TOTAL_BYTES),
            memory_bytes=self._memory_bytes(request.limits.memory_bytes),
        )
        env = program_env(bootstrap.WORKSPACE, "/tmp", threads=int(self._remote.cpu or 1)) | request.env
        return replace(request, workspace=bootstrap.WORKSPACE, scratch="/tmp", env=env, limits=limits)

    def _memory_bytes(self, asked: int | None) -> int:
        """Reserve memory for the sandbox's own daemon, so that it survives a program that takes too much."""
        most = max(GiB // 4, int(self._remote.memory or 1) * GiB - _DAEMON_BYTES)
        return most if asked is None else min(asked, most)

    async def _call_off(self, nonce: str, posted_at: float) -> bool:
        """Return whether an unanswered run has certainly not started, and then prevent that it starts later."""
        if self.is_gone:
            return False
        state, since = await self._client.state(self.id)
        log.info("sandbox %s is %s", self.id, state.value)
        if state is State.STARTED:
            mark = f"{bootstrap.HOME}/ran-{nonce}"
            return await self._pipe.succeeds(f"mkdir -p {bootstrap.HOME} && mkdir {mark}", ASK_SECONDS)
        if state in (State.DOWN, State.GONE) and since is not None:
            return since.timestamp() < posted_at - _CLOCK_SECONDS
        return False

    async def _stop(self, nonce: str) -> None:
        try:
            await self._pipe.order("stop", ASK_SECONDS, path=nonce)
        except (NotStarted, OutcomeUnknown, Unavailable) as error:
            log.info("sandbox %s: a cancelled run was not stopped: %s", self.id, error)
