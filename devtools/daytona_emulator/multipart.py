"""Write the multipart body of a bulk download as the SDK reads it: the file name of each part is the path asked for."""

from __future__ import annotations

import json
from urllib.parse import quote

from devtools.daytona_emulator.errors import Problem


def file_head(boundary: str, path: str, size: int) -> bytes:
    """Begin a part with a file's bytes."""
    return _head(boundary, "file", path, f"Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n")


def error_part(boundary: str, path: str, problem: Problem, *, plain: bool) -> bytes:
    """Return why a file is missing: JSON, or plain text from an old daemon."""
    kind = "text/plain" if plain else "application/json"
    said = problem.message if plain else json.dumps(problem.body("POST", "/files/bulk-download"))
    return _head(boundary, "error", path, f"Content-Type: {kind}\r\n") + said.encode() + b"\r\n"


def close_delimiter(boundary: str) -> bytes:
    """End the body."""
    return f"--{boundary}--\r\n".encode()


def _head(boundary: str, name: str, path: str, further: str) -> bytes:
    """Begin a part; a path that a header cannot hold is repeated in the encoded form, which the SDK prefers."""
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    filename = f'filename="{quoted}"'
    if not (path.isascii() and path.isprintable()):
        filename = f"filename=\"file\"; filename*=UTF-8''{quote(path, safe='')}"
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; {filename}\r\n{further}\r\n'.encode()
