"""Log lines, as JSON or readable text, with the request, session and run that they belong to.

Built on the standard library's ``logging``, which uvicorn and the other libraries use; only the line format is ours.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson
from uvicorn.logging import ColourizedFormatter

from librechat_code_interpreter.core import request_context

Format = Literal["readable", "json"]
Line = Callable[[float, str, str, str, Mapping[str, Any]], str]
"""Time (seconds since the epoch), level, logger, message, fields -> a line without its newline."""

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
_LINE_ENDS = (*range(32), *range(127, 160), 0x2028, 0x2029)
"""Control characters, and other characters that some readers take for the end of a line."""

_ESCAPES = {code: f"\\u{code:04x}" for code in _LINE_ENDS} | {10: "\\n", 13: "\\r", 9: "\\t"}


def json_line(moment: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
    """Return a log line as JSON."""
    entry = {"time": _when(moment), "level": level, "logger": logger, "message": message, **fields}
    try:
        return orjson.dumps(entry, default=str).decode()
    except TypeError:  # lone surrogates, which a token may contain and only the slower library encodes
        return json.dumps(entry, default=str)


def readable_line(moment: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
    """Return a readable log line; a value from a client cannot start another line."""
    text = "".join([f" {name}={_plain(value)}" for name, value in fields.items() if value])
    line = f"{_when(moment)} {level} {logger}: {message}{text}"
    return line if line.isprintable() else line.translate(_ESCAPES)


def _plain(value: object) -> object:
    """Quote a value that could be mistaken for another field."""
    return repr(value) if isinstance(value, str) and (" " in value or "=" in value) else value


def write(text: str) -> None:
    """Write finished lines to the log's stream."""
    sys.stderr.write(text)


LINES: dict[Format, Line] = {"readable": readable_line, "json": json_line}


def _when(moment: float) -> str:
    whole = int(moment)
    return f"{_second(whole)}.{int(1000 * (moment - whole)):03d}Z"


@functools.lru_cache(maxsize=4)  # half the cost of a line, and a busy service writes many per second
def _second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


class LineFormatter(logging.Formatter):
    """Formats a record as one line; only a readable traceback takes several."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {}
        message = record.getMessage()
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            message, fields = _access(record.args)
        if (ours := request_context.current()) is not None:
            fields |= ours.fields()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if trace and self._line is json_line:
            fields["traceback"], trace = trace, ""
        line = self._line(record.created, record.levelname, record.name, message, fields)
        return f"{line}\n{trace}" if trace else line


def _access(args: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """Split uvicorn's access record into message and fields, without the query string."""
    client, method, path, _, status = args
    path_only = str(path).partition("?")[0]
    return f"{method} {path_only} {status}", {"client": client}


def set_up(level: str, form: Format) -> None:
    """Configure logging in our format, from ``level`` on.

    This includes uvicorn's logs, unless the operator configured another format for them.

    Libraries log from ``info`` on, because their debug lines contain headers and bodies.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(LINES[form]))
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)
    minimum: int = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(minimum, logging.INFO))
    for name in ("librechat_code_interpreter", *_UVICORN):
        logging.getLogger(name).setLevel(minimum)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        if any(isinstance(known.formatter, ColourizedFormatter) for known in logger.handlers):
            logger.handlers.clear()
            logger.propagate = True
