"""Source file of a program: written where its language needs it, and removed from the workspace after the run."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from librechat_code_interpreter.runner import stdin_program
from librechat_code_interpreter.runner.messages import Program, Request
from librechat_code_interpreter.runner.workspace_diff import make_usable


@dataclass(frozen=True, slots=True)
class Source:
    """Source file and the path that tracebacks show; ``borrowed`` (inode, mtime) is set if it is in the workspace."""

    path: str
    shown: str
    borrowed: tuple[int, int] | None = None

    def renamed(self, text: str) -> str:
        """Return ``text`` of a compiler or a shell with the source file's private path replaced by its name."""
        return text if self.borrowed else text.replace(f"{os.path.dirname(self.path)}/", "")

    def take_away(self) -> None:
        """Remove the source file from the workspace, unless the program has replaced or changed it."""
        if self.borrowed is None:
            return
        try:
            make_usable(os.path.dirname(self.path))
            now = os.lstat(self.path)
            if (now.st_ino, now.st_mtime_ns) == self.borrowed:
                os.unlink(self.path)
        except OSError:  # the program removed it, or replaced the workspace
            return


def place(request: Request) -> Source:
    """Write the source: into the workspace if imports are resolved from there and it is writable, else into scratch."""
    program = request.program
    shown = _free_name(request.workspace, program.filename)
    if program.place == "workspace":
        try:
            return _beside(shown, program)
        except OSError:  # a full or unwritable workspace: the program must still run
            pass
    apart = os.path.join(request.scratch, ".source")
    with contextlib.suppress(FileExistsError):
        os.mkdir(apart, 0o700)
    path = os.path.join(apart, os.path.basename(shown) if program.place == "warm" else program.filename)
    text = stdin_program.read_from_file(program.source, apart) if program.language == "bash" else program.source
    with open(path, "wb", buffering=0) as stream:
        stream.write(text.encode("utf-8", "surrogatepass"))
    return Source(path, shown)


def _free_name(workspace: str, filename: str) -> str:
    """Return a path in the workspace that no file of the user has."""
    stem, extension = os.path.splitext(filename)
    path, number = os.path.join(workspace, filename), 0
    while os.path.lexists(path):
        number += 1
        path = os.path.join(workspace, f"{stem}-{number}{extension}")
    return path


def _beside(path: str, program: Program) -> Source:
    with open(path, "x", encoding="utf-8", errors="surrogatepass") as stream:
        try:
            stream.write(program.source)
            stream.flush()
        except OSError:
            os.unlink(path)
            raise
    made = os.lstat(path)
    return Source(path, path, (made.st_ino, made.st_mtime_ns))
