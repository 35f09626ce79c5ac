"""Run a Python program in this already warm interpreter, as ``python3 main.py`` would."""

from __future__ import annotations

import atexit
import builtins
import io
import linecache
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn

from app.runner import figures, spawning

_OWN = "app"


def program(source: str, path: str, script: str, args: list[str], env: dict[str, str]) -> Callable[[], NoReturn]:
    """Make the body that runs ``source`` as the main module.

    ``path`` is what ``__file__`` and tracebacks say: a name in the workspace, where no such file need be. ``script``
    is where the text really lies, for child processes that import the main module again.
    """

    def body() -> NoReturn:
        _be_fresh(path, args, env)
        _remember_source(path, source)
        figures.install()
        spawning.install(path, script)
        os._exit(_run(source, path))

    return body


def _be_fresh(path: str, args: list[str], env: dict[str, str]) -> None:
    """Leave no trace of the runner: environment, arguments, module path, signals, streams, random numbers."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = [os.path.basename(path), *args]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    sys.path[:] = [os.path.dirname(path), *(entry for entry in sys.path if _is_not_ours(entry))]
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
    names["stdin"] = names["__stdin__"] = io.TextIOWrapper(
        io.BufferedReader(io.FileIO(0, "r", closefd=False)), encoding="utf-8", errors="surrogateescape"
    )
    names["stdout"] = names["__stdout__"] = _writer(1, "<stdout>", "surrogateescape")
    names["stderr"] = names["__stderr__"] = _writer(2, "<stderr>", "backslashreplace")


def _writer(descriptor: int, name: str, errors: str) -> io.TextIOWrapper:
    raw: Any = io.FileIO(descriptor, "w", closefd=False)
    raw.name = name
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)
    vars(stream)["mode"] = "w"
    return stream


def _remember_source(path: str, source: str) -> None:
    """Let tracebacks and ``inspect`` show the lines; no file of that name is in the workspace."""
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)


def _main_module(path: str) -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    module.__dict__.pop("__spec__")
    module.__dict__["__spec__"] = None
    sys.modules["__main__"] = module
    for name in [name for name in sys.modules if name == _OWN or name.startswith(_OWN + ".")]:
        del sys.modules[name]
    return module


def _run(source: str, path: str) -> int:
    """Run to the very end, exit handlers and threads included, and give the exit code."""
    main = _main_module(path)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  running it is what we are for
        code = 0
    except SystemExit as leave:
        code = _exit_code(leave)
    except BaseException as error:  # noqa: BLE001  whatever the program raises is its ending; it goes to stderr below
        code = 130 if isinstance(error, KeyboardInterrupt) else 1
        _show(error, path)
    return _shut_down(code)


def _exit_code(leave: SystemExit) -> int:
    if leave.code is None:
        return 0
    if isinstance(leave.code, int):
        return leave.code & 0xFF
    print(leave.code, file=sys.stderr)
    return 1


def _show(error: BaseException, path: str) -> None:
    """Print the traceback from the user's first line on, by the user's own hook where there is one."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != path:
        frames = frames.tb_next
    error.__traceback__ = frames
    if sys.excepthook is sys.__excepthook__:
        traceback.print_exception(type(error), error, frames)
    else:
        sys.excepthook(type(error), error, frames)


def _shut_down(code: int) -> int:
    """End as the interpreter would, but for tearing down every module (180-340 ms with pandas and pyplot loaded)."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as at a normal exit
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            code = code or 120
    return code
