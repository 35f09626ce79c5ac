"""Put the program's text where its language wants it, and take it away again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from app.runner.messages import Program, Request


@dataclass(frozen=True, slots=True)
class Source:
    """Know where the text lies; ``borrowed`` is set when that is a place among the user's files."""

    path: str
    shown: str
    borrowed: tuple[int, int] | None = None

    def take_away(self) -> None:
        """Remove the text from among the user's files, unless the program has put a file of its own there."""
        if self.borrowed is None:
            return
        try:
            now = os.lstat(self.path)
        except OSError:
            return
        if (now.st_ino, now.st_mtime_ns) == self.borrowed:
            os.unlink(self.path)


def place(request: Request) -> Source:
    """Write the text: beside the user's files when imports are resolved from there and a name is free, else apart."""
    program = request.program
    if program.place == "workspace":
        try:
            return _beside(request.workspace, program)
        except OSError:  # a full or unwritable workspace: the program shall still run
            pass
    apart = Path(request.scratch, ".source")
    apart.mkdir(mode=0o700, exist_ok=True)
    path = apart / program.filename
    path.write_text(program.source, encoding="utf-8", errors="surrogatepass")
    return Source(str(path), os.path.join(request.workspace, program.filename))


def _beside(workspace: str, program: Program) -> Source:
    stem, extension = os.path.splitext(program.filename)
    path, number = os.path.join(workspace, program.filename), 0
    while os.path.lexists(path):
        number += 1
        path = os.path.join(workspace, f"{stem}-{number}{extension}")
    with open(path, "x", encoding="utf-8", errors="surrogatepass") as stream:
        stream.write(program.source)
    made = os.lstat(path)
    return Source(path, path, (made.st_ino, made.st_mtime_ns))
