"""Run a Python program in this already warm interpreter, as ``python3 -u main.py`` would."""

from __future__ import annotations

import builtins
import io
import linecache
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

from app.runner import figures, spawning, teardown

_OWN = "app"


def program(source: str, path: str, script: str, args: list[str], env: dict[str, str]) -> Callable[[], NoReturn]:
    """Make the body that runs ``source`` as the main module.

    ``path`` is what ``__file__`` and tracebacks say: a name in the workspace, where no such file need be. ``script``
    is where the text really lies, for child processes that import the main module again.
    """

    def body() -> NoReturn:
        _be_fresh(path, script, args, env)
        text = source.encode("utf-8", "surrogatepass")
        _remember_lines(path, text)
        figures.install()
        spawning.install(path, script)
        os._exit(_run(text, path))

    return body


def _be_fresh(path: str, script: str, args: list[str], env: dict[str, str]) -> None:
    """Leave no trace of the runner: environment, arguments, module path, signals, streams, random numbers."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = [os.path.basename(path), *args]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    # the interpreter looks along the path for the lines that its own tracebacks show: the script's place comes last
    packages = (entry for entry in sys.path if _is_not_ours(entry))
    sys.path[:] = [os.path.dirname(path), *packages, os.path.dirname(script)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "random" in sys.modules:
        sys.modules["random"].seed()


def _is_not_ours(entry: str) -> bool:
    return entry != "" and not os.path.isdir(os.path.join(entry, _OWN, "runner"))


def _open_streams() -> None:
    """Open the three streams unbuffered, as ``python3 -u`` does: partial output survives a kill, and order is kept."""
    names = vars(sys)
    names["stdin"] = names["__stdin__"] = _stream(0, "r", "surrogateescape")
    names["stdout"] = names["__stdout__"] = _stream(1, "w", "surrogateescape")
    names["stderr"] = names["__stderr__"] = _stream(2, "w", "backslashreplace")


def _stream(descriptor: int, mode: str, errors: str) -> io.TextIOWrapper:
    raw: Any = io.FileIO(descriptor, mode, closefd=False)
    raw.name = ("<stdin>", "<stdout>", "<stderr>")[descriptor]
    buffer: Any = io.BufferedReader(raw) if mode == "r" else raw
    stream: Any = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, write_through=True)
    stream.mode = mode
    opened: io.TextIOWrapper = stream
    return opened


def _remember_lines(path: str, text: bytes) -> None:
    """Let ``traceback`` and ``inspect`` show the lines; no file of that name is in the workspace."""
    lines = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8-sig", errors="replace").readlines()
    linecache.cache[path] = (len(text), None, lines, path)


def _main_module(path: str) -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = module
    for name in [name for name in sys.modules if name == _OWN or name.startswith(_OWN + ".")]:
        del sys.modules[name]
    return module


def _run(text: bytes, path: str) -> int:
    """Run to the very end, exit handlers and threads included, and give the exit code."""
    own = teardown.Belongings()
    main = _main_module(path)
    try:
        exec(compile(text, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  running it is what we are for
        code = 0
    except SystemExit as leave:
        code = teardown.exit_code(leave)
    except BaseException as error:  # noqa: BLE001  whatever the program raises is its ending; it goes to stderr below
        code = teardown.show(error, path)
    del main
    return own.end(code)
