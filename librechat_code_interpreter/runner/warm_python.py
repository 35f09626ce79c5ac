"""Python programs in this warm interpreter, run as ``python3 -u main.py`` would run them."""

from __future__ import annotations

import builtins
import codecs
import contextlib
import io
import linecache
import os
import sys
import types
from dataclasses import dataclass
from posix import _exit  # the program may replace ``os._exit``
from signal import SIGINT, default_int_handler
from typing import TYPE_CHECKING, Any, NoReturn, Self

from librechat_code_interpreter.runner import forkhooks, interpreter_exit, matplotlib_show, multiprocessing_fix
from librechat_code_interpreter.runner.messages import Message, Tool
from librechat_code_interpreter.runner.process import set_handler

if TYPE_CHECKING:
    import ast

_OWN = "librechat_code_interpreter"
_TOOLS = "librechat_code_interpreter.runner.pythontools"
_hidden: dict[str, types.ModuleType] = {}
_packages: list[str] = []
_environment: dict[str, str] = {}
"""Content of ``os.environ`` since ``get_ready``."""

_is_ready = False
"""Whether ``get_ready`` was called."""


@dataclass(frozen=True, slots=True)
class ToolOffer(Message):
    """Tools of a program; ``directory`` is that of the tool channel."""

    directory: str
    tools: list[Tool]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse an offer with its tools."""
        return cls(data["directory"], [Tool.from_json(item) for item in data["tools"]])


@dataclass(frozen=True, slots=True)
class WarmProgram(Message):
    """Python program that runs as the main module, with tools among its globals if ``offer`` is set.

    ``path`` is what ``__file__`` and tracebacks show: a name in the workspace, where no such file need exist.
    ``script`` is the actual file with the text, for child processes that import the main module again.
    """

    source: str
    path: str
    script: str
    args: list[str]
    env: dict[str, str]
    offer: ToolOffer | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse a program with its offer."""
        offer = data["offer"]
        return super(WarmProgram, cls).from_json(
            {**data, "offer": None if offer is None else ToolOffer.from_json(offer)}
        )

    def run(self) -> NoReturn:
        _take_place(self)
        text = self.source.encode("utf-8", "surrogatepass")
        remember_lines(self.path, text)
        multiprocessing_fix.install(self.path, self.script)
        code = _run(text, self.path, self.offer)
        _exit(code)


def become_fresh() -> None:
    """Reset what a fork inherits from the runner: signals, streams, random numbers. The program may be unknown yet."""
    set_handler(SIGINT, default_int_handler)
    forkhooks.give_back()
    if not _is_ready:
        _open_streams()
        matplotlib_show.install()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "random" in sys.modules:
        sys.modules["random"].seed()


def _take_place(program: WarmProgram) -> None:
    """Set what depends on the program: environment, arguments, module path."""
    if program.env != _environment:
        _set_environment(program.env)
    sys.argv[:] = [os.path.basename(program.path), *program.args]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    # the interpreter searches the path for the source lines of its own tracebacks: the script's directory comes last
    packages = _packages or [entry for entry in sys.path if _is_not_ours(entry)]
    own = _own_packages(program.env.get("PYTHONPATH", ""))
    sys.path[:] = [os.path.dirname(program.path), *own, *packages, os.path.dirname(program.script)]


def _set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _own_packages(path: str) -> list[str]:
    """Return the entries of ``PYTHONPATH``; create missing ones, since the interpreter checks only once."""
    entries = [entry for entry in path.split(os.pathsep) if entry]
    for entry in entries:
        with contextlib.suppress(OSError):
            os.makedirs(entry, exist_ok=True)
    return entries


def _is_not_ours(entry: str) -> bool:
    return entry != "" and not os.path.isdir(os.path.join(entry, _OWN, "runner"))


def _open_streams() -> None:
    """Open the three streams as ``python3 -u`` does, unbuffered: partial output survives a kill, and order is kept."""
    names = vars(sys)
    names["stdin"] = names["__stdin__"] = _stream(0, "r", "surrogateescape")
    names["stdout"] = names["__stdout__"] = _stream(1, "w", "surrogateescape")
    names["stderr"] = names["__stderr__"] = _stream(2, "w", "backslashreplace")


def _open_streams_ahead() -> None:
    """Open the streams while stdout and stderr are pipes, as they will be: a stream remembers what it was opened on."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    reading, writing = os.pipe()
    for descriptor in (1, 2):
        os.dup2(writing, descriptor)
    try:
        _open_streams()
    finally:
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
        for descriptor in (reading, writing, *kept):
            os.close(descriptor)


def _stream(descriptor: int, mode: str, errors: str) -> io.TextIOWrapper:
    raw: Any = io.FileIO(descriptor, mode, closefd=False)
    raw.name = ("<stdin>", "<stdout>", "<stderr>")[descriptor]
    buffer: Any = io.BufferedReader(raw) if mode == "r" else raw
    stream: Any = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, write_through=True)
    stream.mode = mode
    opened: io.TextIOWrapper = stream
    return opened


def remember_lines(path: str, text: bytes) -> None:
    """Store the lines for ``traceback`` and ``inspect``; no file of that name is in the workspace."""
    decoded = text.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    lines = io.StringIO(decoded, newline=None).readlines()
    linecache.cache[path] = (len(text), None, lines, path)


def main_module(path: str, offer: ToolOffer | None) -> types.ModuleType:
    """Return a new main module, with the tools of an offer among its names; hide the runner's own modules."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    if offer is not None:
        module.__dict__.update(_pythontools().functions(offer.directory, offer.tools))
    if not _hidden:
        _hide_ours()
    return module


def _pythontools() -> Any:
    if _TOOLS in _hidden:
        return _hidden[_TOOLS]
    from librechat_code_interpreter.runner import pythontools  # it imports asyncio, which costs a cold runner 40 ms

    return pythontools


def get_ready(environment: dict[str, str] | None = None) -> None:
    """Do the setup that is the same for all programs, which will most likely have this environment.

    Call it before forking programs: in every fork, each step would copy the pages that it writes to.
    """
    global _is_ready
    if environment:
        _set_environment(environment)
        _environment.update(environment)
    _open_streams_ahead()
    matplotlib_show.install()
    _hide_ours()
    _is_ready = True


def _hide_ours() -> None:
    """Hide the runner's own modules from programs."""
    _packages[:] = [entry for entry in sys.path if _is_not_ours(entry)]
    for name in [name for name in sys.modules if name == _OWN or name.startswith(_OWN + ".")]:
        _hidden[name] = sys.modules.pop(name)


def _run(text: bytes, path: str, offer: ToolOffer | None) -> int:
    """Run to the end, exit handlers and threads included; return the exit code."""
    main = main_module(path, offer)
    own = interpreter_exit.Belongings(main)
    try:
        if offer is None:
            exec(compile(text, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  this module's purpose
        else:
            _run_awaiting(text, path, main.__dict__)
        code = 0
    except SystemExit as leave:
        code = interpreter_exit.exit_code(leave)
    except BaseException as error:  # noqa: BLE001  any exception ends the program; it is printed to stderr below
        code = interpreter_exit.show(error, path)
    del main
    return own.end(code)


def _run_awaiting(text: bytes, path: str, names: dict[str, Any]) -> None:
    """Run a program that may use ``await`` and ``return`` outside of functions (K29)."""
    import ast  # these three imports cost a cold runner 50 ms, and few programs have tools
    import asyncio
    import inspect

    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        code = compile(text, path, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        if error.msg != "'return' outside function":
            raise
        code = compile(_as_function(ast.parse(text, path)), path, "exec", flags, dont_inherit=True)
    result = eval(code, names)  # noqa: S307  this module's purpose
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _as_function(tree: ast.Module) -> ast.Module:
    """Wrap a program in an asynchronous function that is awaited at once; its lines keep their numbers."""
    import ast

    (call, wrapped) = ast.parse("async def main():\n    pass\nawait main()").body[::-1]
    assert isinstance(wrapped, ast.AsyncFunctionDef)  # noqa: S101  parsed from the line above
    future = [item for item in tree.body if isinstance(item, ast.ImportFrom) and item.module == "__future__"]
    wrapped.body = [item for item in tree.body if item not in future]
    return ast.Module([*future, wrapped, call], [])
