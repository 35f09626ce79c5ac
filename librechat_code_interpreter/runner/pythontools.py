"""Tool functions of a Python program: one asynchronous function per tool.

``tool_channel`` defines how a call is made.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from librechat_code_interpreter.runner import arguments
from librechat_code_interpreter.runner.messages import Tool

_CHUNK: Final = 1 << 20
_TYPES: Final = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict, "null": None,
}  # fmt: skip

Function = Callable[..., Coroutine[Any, Any, Any]]


class ToolExecutionError(Exception):
    """A tool call failed; ``tool`` is the tool's name."""

    def __init__(self, message: str, tool: str = "") -> None:
        super().__init__(message)
        self.tool = tool


ToolExecutionError.__module__ = "builtins"  # tracebacks show the name without a module


def functions(directory: str, tools: list[Tool]) -> dict[str, Any]:
    """Return the globals that a program with tools gets; ``directory`` is that of the tool channel."""
    found: dict[str, Any] = {"asyncio": asyncio, "ToolExecutionError": ToolExecutionError}
    return found | {tool.function: _function(directory, tool) for tool in tools}


def _function(directory: str, tool: Tool) -> Function:
    name = tool.function

    def call(*values: Any, **named: Any) -> Coroutine[Any, Any, Any]:
        if values:
            known = ", ".join(f"{key}=..." for key in arguments.properties(tool.parameters)) or "name=..."
            raise TypeError(f"{name}() takes keyword arguments only: {name}({known})")
        text = _json_of(name, named)
        return _call(directory, tool, text)

    call.__name__ = call.__qualname__ = name
    call.__module__ = "__main__"
    call.__doc__ = _documentation(tool)
    vars(call)["__signature__"] = _signature(tool)
    with suppress(AttributeError):  # new in Python 3.12
        inspect.markcoroutinefunction(call)  # type: ignore[attr-defined]
    return call


def _json_of(name: str, named: dict[str, Any]) -> str:
    try:
        return json.dumps(named, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(f"{name}(): the arguments are not JSON: {error}") from None
    except TypeError as error:
        raise TypeError(f"{name}(): the arguments are not JSON: {error}") from None


def _plain(value: Any) -> Any:
    """Convert sets and values of the data libraries (numbers and arrays of numpy, series) into plain values."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


async def _call(directory: str, tool: Tool, text: str) -> Any:
    """Make the call and wait for its result. Raises ``ToolExecutionError``."""
    try:
        pipe = _announce(directory, tool.function, text)
    except OSError as error:
        raise ToolExecutionError(f"{tool.name}: tools cannot be called any more: {error}", tool.name) from None
    try:
        is_error, body = await _answer(pipe)
    finally:
        os.close(pipe)
    if is_error:
        raise ToolExecutionError(body.decode("utf-8", "replace"), tool.name)
    return json.loads(body)


def _announce(directory: str, function: str, text: str) -> int:
    own = os.path.join(directory, os.urandom(8).hex())
    with open(f"{own}.call", "x", encoding="ascii") as file:
        file.write(f"{function} json\n{text}")
    os.mkfifo(own, 0o600)
    pipe = os.open(own, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        calls = os.open(os.path.join(directory, "calls"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(calls, b"\n%s\n" % os.path.basename(own).encode("ascii"))
        finally:
            os.close(calls)
    except BaseException:
        os.close(pipe)
        raise
    return pipe


async def _answer(pipe: int) -> tuple[bool, bytes]:
    """Read one answer; return whether it is an error, and its text."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[bool, bytes]] = loop.create_future()
    received = bytearray()

    def read() -> None:
        with suppress(BlockingIOError):
            received.extend(os.read(pipe, _CHUNK))
        head, found, _ = bytes(received[:64]).partition(b"\n")
        if not found or done.done():
            return
        status, _, size = head.partition(b" ")
        if len(received) - len(head) - 1 >= int(size):
            done.set_result((status != b"0", bytes(received[len(head) + 1 :])))

    loop.add_reader(pipe, read)
    try:
        return await done
    finally:
        loop.remove_reader(pipe)


def _signature(tool: Tool) -> inspect.Signature:
    """Return the schema as a signature: keyword arguments, the required ones without a default."""
    named, required = arguments.properties(tool.parameters), arguments.required(tool.parameters)
    parameters = [_parameter(name, schema, name in required) for name, schema in named.items() if name.isidentifier()]
    if (tool.parameters or {}).get("additionalProperties", True) is not False and not parameters:
        parameters.append(inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD))
    try:
        return inspect.Signature(parameters)
    except ValueError:  # a Python keyword as a name
        return inspect.Signature([inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)])


def _parameter(name: str, schema: Any, is_required: bool) -> inspect.Parameter:
    kind = schema.get("type") if isinstance(schema, dict) else None
    default = schema.get("default") if isinstance(schema, dict) else None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if is_required else default,
        annotation=_TYPES.get(kind, inspect.Parameter.empty) if isinstance(kind, str) else inspect.Parameter.empty,
    )


def _documentation(tool: Tool) -> str:
    """Return the text for ``help``: the description, then a line for each parameter that has a description."""
    lines = [tool.description or f"Call the tool {tool.name}."]
    described = {
        name: schema.get("description")
        for name, schema in arguments.properties(tool.parameters).items()
        if isinstance(schema, dict) and schema.get("description")
    }
    if described:
        lines += ["", "Arguments:", *(f"    {name}: {text}" for name, text in described.items())]
    return "\n".join(lines)
