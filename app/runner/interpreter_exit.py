"""End a Python program as the interpreter would, but for what only costs time.

Tearing down every module takes 180-340 ms with pandas and pyplot loaded, so only what the program itself brought is
taken apart: its objects are finalised, its open files are written out. The order is CPython's: threads, exit handlers,
streams, modules.
"""

from __future__ import annotations

import atexit
import gc
import io
import sys
import threading
import types
import weakref
from typing import Any

from app.runner import package_hints


class Belongings:
    """Tell the program's own modules from those that were there before it.

    ``sys.modules`` is in the order of import, so the main module is put last, and what comes after it is the program's.
    Looking at every name instead would copy a memory page for every few of them, milliseconds with pandas loaded.
    """

    def __init__(self, main: types.ModuleType) -> None:
        sys.modules.pop("__main__", None)
        sys.modules["__main__"] = main

    def end(self, code: int) -> int:
        """Bring everything to its end; give the exit code, which a stream that cannot be flushed makes 120."""
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as at a normal exit
        atexit._run_exitfuncs()
        if not _flush_streams():
            code = code or 120
        _write_out_files()  # first, for in a cycle of garbage a file's lowest layer may be closed before the upper
        self._take_apart()
        _write_out_files()
        _flush_streams()
        return code

    def _take_apart(self) -> None:
        """Let go of the program's modules; what holds on to one gets it emptied, private names first."""
        names = _since("__main__")
        for attribute in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(attribute, None)
        gone = (sys.modules.pop(name) for name in names)
        modules = [weakref.ref(module) for module in gone if issubclass(type(module), types.ModuleType)]
        gc.collect()
        for reference in modules:
            module = reference()
            if module is not None:
                _empty(vars(module))
        gc.collect()


def _since(first: str) -> list[str]:
    """Name the modules from ``first`` on, the last one first; none when the program took that one away."""
    names = []
    for name in reversed(sys.modules):
        names.append(name)
        if name == first:
            return names
    return []


def _empty(content: dict[str, Any]) -> None:
    """Set a module's names to nothing in the interpreter's own order."""
    for private in (True, False):
        for name in list(content):
            if name != "__builtins__" and (name.startswith("_") and not name.startswith("__")) is private:
                content[name] = None


def _write_out_files() -> None:
    """Flush the files that are still open. Only objects made after the zygote's start are looked at."""
    for item in gc.get_objects():
        if _is_plain_file(item):
            try:
                item.flush()
            except (OSError, ValueError):
                continue


def _is_plain_file(item: object) -> bool:
    """Tell whether an object writes to a file as it is: flushing a compressed one would change its bytes."""
    if type(item) is io.TextIOWrapper:
        try:
            item = item.buffer
        except ValueError:  # it was detached
            return False
    return type(item) in (io.BufferedWriter, io.BufferedRandom)


def _flush_streams() -> bool:
    """Flush stdout and stderr where they are there and open; tell whether that worked."""
    worked = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except Exception:  # noqa: BLE001  the program's own stream object may raise anything; the exit code tells
            worked = worked and name == "stderr"
    return worked


def exit_code(leave: SystemExit) -> int:
    """Give the process's exit code for a ``SystemExit``; a text goes to stderr and means 1."""
    if leave.code is None:
        return 0
    if isinstance(leave.code, int):
        return leave.code & 0xFF
    try:
        _say(f"{leave.code}\n")
    except Exception:  # noqa: BLE001  a text that cannot be made or printed; the interpreter ignores it too
        return 1
    return 1


def show(error: BaseException, path: str) -> int:
    """Print an exception's traceback from the program's first line on, by its own hook; give the exit code."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != path:
        frames = frames.tb_next
    frames = _without_ours(frames)
    error.__traceback__ = frames
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, frames
    hook = getattr(sys, "excepthook", None)
    code = 130 if isinstance(error, KeyboardInterrupt) else 1
    try:
        if hook is None:
            _say("sys.excepthook is missing\n")
        (hook or sys.__excepthook__)(type(error), error, frames)
    except SystemExit as leave:
        return exit_code(leave)
    except BaseException as second:  # noqa: BLE001  a hook that fails must not hide what it was called for
        second.__traceback__ = second.__traceback__.tb_next if second.__traceback__ else None
        _say("Error in sys.excepthook:\n")
        sys.__excepthook__(type(second), second, second.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, frames)
    if isinstance(error, ModuleNotFoundError) and error.name:
        _say(package_hints.hint(error.name) or "")
    return code


def _without_ours(frames: types.TracebackType | None) -> types.TracebackType | None:
    """Leave out the frames in which a tool call was made for the program: they say nothing to it."""
    chain = []
    while frames is not None:
        chain.append(frames)
        frames = frames.tb_next
    theirs = [item for item in chain if not item.tb_frame.f_code.co_filename.endswith("app/runner/pythontools.py")]
    if len(theirs) == len(chain):
        return chain[0] if chain else None
    for item in reversed(theirs):
        frames = types.TracebackType(frames, item.tb_frame, item.tb_lasti, item.tb_lineno)
    return frames


def _say(text: str) -> None:
    stderr = getattr(sys, "stderr", None)
    if stderr is not None:
        stderr.write(text)
