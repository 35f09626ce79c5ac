"""Each log record is one line with its request's ids, and cannot be forged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
import uvicorn.config
from hypothesis import given
from hypothesis import strategies as st

from librechat_code_interpreter.core import request_context
from librechat_code_interpreter.core.events import Events, FinishedRun, Seconds
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.telemetry import logs
from librechat_code_interpreter.telemetry.audit import AuditLog
from librechat_code_interpreter.telemetry.logs import LineFormatter, json_line, readable_line
from tests.contract.caller import Caller


def record(
    message: str, *args: object, name: str = "librechat_code_interpreter.some", **more: Any
) -> logging.LogRecord:
    """Make a record as a logger does."""
    return logging.LogRecord(name, logging.WARNING, "", 0, message, args, more.get("exc_info"))


def test_a_line_names_request_session_and_run() -> None:
    """A record within a request has its ids, in either format; another one does not."""

    def log() -> list[str]:
        ours = request_context.begin("r1")
        ours.session_id, ours.run_id = "s1", "n1"
        return [LineFormatter(form).format(record("it %s", "went wrong")) for form in (json_line, readable_line)]

    written, text = copy_context().run(log)
    line = json.loads(written)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING", "logger": "librechat_code_interpreter.some", "message": "it went wrong",
        "request_id": "r1", "run_id": "n1", "session_id": "s1",
    }  # fmt: skip
    assert (
        text.partition(" ")[2]
        == "WARNING librechat_code_interpreter.some: it went wrong request_id=r1 run_id=n1 session_id=s1"
    )
    assert "request_id" not in LineFormatter(json_line).format(record("a start"))


async def test_tasks_are_on_the_trail_of_who_started_them() -> None:
    """A run's tasks log under the same request."""

    async def work() -> str:
        return LineFormatter(readable_line).format(record("working"))

    async def answer() -> str:
        request_context.begin("r2")
        return await asyncio.create_task(work())

    assert "request_id=r2" in await asyncio.create_task(answer())


def test_a_traceback_is_part_of_its_json_line() -> None:
    """JSON stays one line, whatever the exception; in the readable format the traceback follows."""
    try:
        raise ValueError("no")
    except ValueError as error:
        failed = record("failed", exc_info=(type(error), error, error.__traceback__))
    text = LineFormatter(json_line).format(failed)
    assert "\n" not in text and "ValueError: no" in json.loads(text)["traceback"]
    assert LineFormatter(readable_line).format(failed).splitlines()[-1] == "ValueError: no"


@given(st.text(), st.text())
def test_no_text_begins_a_line_of_its_own(message: str, value: str) -> None:
    """Whatever a user's name contains, the log has one line more, and its fields stay intact."""
    for line in (json_line, readable_line):
        assert not set(line(0.0, "INFO", "app", message, {"user": value})) & {"\n", "\r", "\x1b", "\x00"}
    assert len(readable_line(0.0, "INFO", "app", message, {"user": value}).splitlines()) == 1
    assert json.loads(json_line(0.0, "INFO", "app", message, {"user": value}))["user"] == value


def test_a_value_is_not_taken_for_a_field() -> None:
    """A user called `x ending=ok` is quoted."""
    assert readable_line(0.0, "INFO", "a", "run", {"user": "x ending=ok"}).endswith("user='x ending=ok'")


def test_access_lines_have_no_query() -> None:
    """uvicorn's access line is in the service's format, without the query string."""
    access = record(
        '%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", "/files/x?token=s3cret", "1.1", 200, name="uvicorn.access"
    )
    line = json.loads(LineFormatter(json_line).format(access))
    assert (line["message"], line["client"]) == ("GET /files/x 200", "1.2.3.4:5")


@pytest.fixture
def untouched() -> Iterator[None]:
    """Restore the loggers."""
    loggers = [
        logging.getLogger(name)
        for name in (None, "librechat_code_interpreter", "uvicorn", "uvicorn.error", "uvicorn.access")
    ]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    yield
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers, logger.propagate = handlers, propagate


@pytest.mark.usefixtures("untouched")
def test_uvicorn_speaks_our_format_too() -> None:
    """Under another uvicorn its lines go through the service's handler, unless it was set up without logs."""
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    logs.set_up("info", "json")
    assert logging.getLogger("uvicorn").handlers == logging.getLogger("uvicorn.access").handlers == []
    assert logging.getLogger("uvicorn.access").propagate
    logging.getLogger("uvicorn.access").propagate = False  # what --no-access-log does
    logs.set_up("info", "json")
    assert not logging.getLogger("uvicorn.access").propagate


@pytest.mark.usefixtures("untouched")
def test_libraries_do_not_debug() -> None:
    """LOG_LEVEL=debug applies to this service; a library's debug lines would quote headers and bodies."""
    logs.set_up("debug", "json")
    assert logging.getLogger("librechat_code_interpreter.x").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiohttp.client").isEnabledFor(logging.DEBUG)
    logs.set_up("warning", "json")
    assert not logging.getLogger("librechat_code_interpreter.x").isEnabledFor(logging.INFO)
    assert not logging.getLogger("aiohttp.client").isEnabledFor(logging.INFO)


RUN = FinishedRun(
    at=0.0, request_id="r1", run_id="n1", principal=Principal("jwt", "acme", "u" * 1000), session_id="s1",
    language="py", ending="time", exit_code=None, total_seconds=61.00004, seconds=Seconds(run=60.0), cpu_seconds=59.0,
    peak_memory_bytes=1, source_chars=10, staged_files=2, staged_bytes=30, output_chars=4, delivered_files=1,
    delivered_bytes=5, failed_files=0, tool_rounds=0, sandbox="kept", is_follow_up=True,
)  # fmt: skip


def test_the_audit_line_says_who_ran_what_where_and_how_it_ended() -> None:
    """One line for each run, with sizes and times; long names are cut."""
    events, written = Events(), list[str]()
    AuditLog(events, json_line, written.append)
    events.tell(RUN)
    (line,) = written
    assert line.endswith("\n") and line.count("\n") == 1
    entry = json.loads(line)
    wanted = {
        "logger": "librechat_code_interpreter.audit", "message": "run",
        "request_id": "r1", "session_id": "s1", "run_id": "n1",
        "tenant": "acme", "user": "u" * 128, "credential": "jwt", "language": "py", "ending": "time", "exit_code": None,
        "seconds": 61.0, "run_seconds": 60.0, "staged_files": 2, "staged_bytes": 30, "delivered_bytes": 5,
    }  # fmt: skip
    assert wanted.items() <= entry.items()


async def test_every_run_has_its_audit_line(caller: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    """The running service logs in the readable format by default, with the id of the answer."""
    answer = await caller.http.post("/exec", json={"lang": "py", "code": "print(1)", "user_id": "fay"})
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if " librechat_code_interpreter.audit: run " in line
    ]
    told = {"language": "py", "ending": "ok", "user": "fay", "session_id": answer.json()["session_id"]}
    told["request_id"] = answer.headers["x-request-id"]
    assert all(f" {name}={value}" in line for name, value in told.items())
