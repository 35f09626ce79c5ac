"""Large Python programs on a shell's here-document, passed to Python in a form that it reads fast.

LibreChat's create_file and edit_file send ``python3 - <<'PY'`` with the complete file as one line of base64. CPython's
tokenizer extends its buffer piece by piece when it reads a program from stdin. So its time grows with the square of the
line length: 17 MB take 4 to 26 seconds. ``compile`` needs a third of a second for the same text.
"""

from __future__ import annotations

import os
import re
import shlex

MIN_CHARS = 1024 * 1024
"""Shorter programs are not changed: reading them costs less than 0.1 s."""

_FIRST_LINE = re.compile(r"[ \t]*python3[ \t]+-[ \t]+<<[ \t]*'(\w+)'[ \t]*")
_LOADER = (
    '__import__("sys").argv[0] = "-"; '
    'exec(compile(__import__("sys").stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True))'
)
"""Same as ``python3 -``: the program is the main module, stdin is at its end, and tracebacks show ``<stdin>``."""


def read_from_file(source: str, directory: str) -> str:
    """Return an equivalent bash program with its here-document in a file; most programs are returned unchanged.

    Only a program that consists of one quoted here-document for ``python3 -`` is changed: the shell expands nothing in
    it. Raises ``OSError`` if the file cannot be written to ``directory``.
    """
    if len(source) < MIN_CHARS:
        return source
    first, _, rest = source.partition("\n")
    opening = _FIRST_LINE.fullmatch(first)
    body = _body(rest, opening[1]) if opening is not None else None
    if body is None:
        return source
    path = os.path.join(directory, "stdin")
    with open(path, "wb", buffering=0) as file:
        file.write(body.encode("utf-8", "surrogatepass"))
    return f"python3 -c {shlex.quote(_LOADER)} < {shlex.quote(path)}\n"


def _body(rest: str, tag: str) -> str | None:
    """Return the here-document, or ``None`` if anything but blank lines follows it."""
    end = 0 if rest.startswith(f"{tag}\n") or rest == tag else rest.find(f"\n{tag}\n") + 1
    if end == 0 and rest.endswith(f"\n{tag}"):
        end = len(rest) - len(tag)
    body, after = rest[:end], rest[end + len(tag) :]
    return body if end and not after.strip() else None
