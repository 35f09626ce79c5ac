"""Tool channel: tool calls of a program and their results, in named pipes and small files of a private directory.

A call, in any language, process or thread of the program:

1. writes ``ID.call``: the function's name, a space, ``json`` or ``text``, a newline, the arguments as JSON;
2. creates the named pipe ``ID`` and opens it for reading and writing, so that opening does not block;
3. writes a newline (others may have left half a line), ``ID`` and a newline to the pipe ``calls``, short enough for one
   atomic write;
4. reads from its pipe: ``0`` or ``1`` (an error), a space, a size, a newline, then that many bytes.

The program may change everything in the directory. So it is read like all untrusted data: never through a link, never
blocking, never more than a limit.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field

_CALLS = "calls"
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_HEAD_BYTES = 256
_AT_ONCE = 64 * 1024


@dataclass(slots=True)
class Caller:
    """One pending call: function, arguments, and the pipe for its result."""

    function: str
    wants_text: bool
    arguments: bytes | None
    """JSON text; ``None`` if it is larger than the limit."""

    pipe: int
    unsent: bytearray = field(default_factory=bytearray)

    def answer(self, body: bytes, *, is_error: bool) -> None:
        """Queue the result for ``send``."""
        self.unsent += f"{int(is_error)} {len(body)}\n".encode("ascii") + body

    def send(self) -> bool:
        """Write what the pipe accepts now; return whether all is written, or the reader is gone."""
        try:
            while self.unsent:
                sent = os.write(self.pipe, memoryview(self.unsent)[:_AT_ONCE])
                del self.unsent[:sent]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self.unsent.clear()
        return True

    def close(self) -> None:
        os.close(self.pipe)


class ToolChannel:
    """Private directory, with the pipe on which a program announces its calls."""

    def __init__(self, scratch: str, most_bytes: int) -> None:
        """Create both; ``most_bytes`` limits one call's arguments. Raises ``OSError``."""
        self.path = os.path.join(scratch, f".tools-{os.urandom(8).hex()}")
        self._most = most_bytes
        os.mkdir(self.path, 0o700)
        self._directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.mkfifo(_CALLS, 0o600, dir_fd=self._directory)
        # open for writing as well: a pipe is always readable after its last writer has closed it
        self.calls = os.open(_CALLS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._directory)
        self._rest = b""

    def close(self) -> None:
        """Close the descriptors; the directory is removed together with the scratch directory."""
        os.close(self.calls)
        os.close(self._directory)

    def callers(self) -> list[Caller]:
        """Return the calls announced since the last check; incomplete and invalid ones are skipped."""
        try:
            *lines, self._rest = (self._rest + os.read(self.calls, _AT_ONCE)).split(b"\n")
        except BlockingIOError:
            return []
        self._rest = self._rest[-_HEAD_BYTES:]
        callers = [self._open(line.decode("ascii", "replace")) for line in lines if line]
        return [caller for caller in callers if caller is not None]

    def _open(self, name: str) -> Caller | None:
        if _ID.fullmatch(name) is None:
            return None
        try:
            head, arguments = self._call(f"{name}.call")
            pipe = self._pipe(name)
        except (OSError, ValueError):
            return None  # not a valid call
        function, _, form = head.partition(" ")
        return Caller(function, form == "text", arguments, pipe)

    def _call(self, name: str) -> tuple[str, bytes | None]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=self._directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError("no regular file")
        with os.fdopen(descriptor, "rb") as file:
            head = file.readline(_HEAD_BYTES).decode("utf-8")
            if not head.endswith("\n"):
                raise ValueError("no head")
            arguments = file.read(self._most + 1)
        self._remove(name)
        return head[:-1], arguments if len(arguments) <= self._most else None

    def _pipe(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        pipe = os.open(name, flags, dir_fd=self._directory)
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            os.close(pipe)
            raise ValueError("no pipe")
        self._remove(name)
        return pipe

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)
