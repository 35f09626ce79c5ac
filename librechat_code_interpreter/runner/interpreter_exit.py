"""Exit of a Python program: the interpreter's own steps, without those that only cost time.

Destroying every module takes 180-340 ms with pandas and pyplot loaded. So only the program's own modules are destroyed:
their objects are finalised, and open files are flushed. The order is CPython's: threads, exit handlers, streams,
modules.
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

from librechat_code_interpreter.runner import package_hints


class Belongings:
    """The program's own modules, as opposed to those that were loaded before it.

    ``sys.modules`` is in the order of import. The main module is moved to its end, so all modules after it are the
    program's. Reading every name instead would copy a memory page for every few names: milliseconds with pandas loaded.
    """

    def __init__(self, main: types.ModuleType) -> None:
        sys.modules.pop("__main__", None)
        sys.modules["__main__"] = main

    def end(self, code: int) -> int:
        """Run all exit steps; return ``code``, or 120 if it is 0 and stdout cannot be flushed."""
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as at a normal exit
        atexit._run_exitfuncs()
        if not _flush_streams():
            code = code or 120
        _write_out_files()  # first: in a garbage cycle, a file's lowest layer may be closed before the upper
        self._take_apart()
        _write_out_files()
        _flush_streams()
        return code

    def _take_apart(self) -> None:
        """Remove the program's modules; one that is still referenced is emptied, private names first."""
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
    """Return the module names from ``first`` on, in reverse order; none if the program removed ``first``."""
    names = []
    for name in reversed(sys.modules):
        names.append(name)
        if name == first:
            return names
    return []


def _empty(content: dict[str, Any]) -> None:
    """Set a module's names to ``None``, in the interpreter's own order."""
    for private in (True, False):
        for name in list(content):
            if name != "__builtins__" and (name.startswith("_") and not name.startswith("__")) is private:
                content[name] = None


def _write_out_files() -> None:
    """Flush the files that are still open; in a fork of the zygote, only objects made after its start are checked."""
    for item in gc.get_objects():
        if _is_plain_file(item):
            try:
                item.flush()
            except (OSError, ValueError):
                continue


def _is_plain_file(item: object) -> bool:
    """Return whether an object writes to a file directly: flushing a compressed file would change its bytes."""
    if type(item) is io.TextIOWrapper:
        try:
            item = item.buffer
        except ValueError:  # it was detached
            return False
    return type(item) in (io.BufferedWriter, io.BufferedRandom)


def _flush_streams() -> bool:
    """Flush stdout and stderr if present and open; return ``False`` if stdout could not be flushed."""
    worked = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except Exception:  # noqa: BLE001  the program's own stream object may raise anything; the exit code shows it
            worked = worked and name == "stderr"
    return worked


def exit_code(leave: SystemExit) -> int:
    """Return the process's exit code for a ``SystemExit``; a text is written to stderr and means 1."""
    if leave.code is None:
        return 0
    if isinstance(leave.code, int):
        return leave.code & 0xFF
    try:
        _say(f"{leave.code}\n")
    except Exception:  # noqa: BLE001  a text that cannot be formatted or printed; the interpreter ignores it too
        return 1
    return 1


def show(error: BaseException, path: str) -> int:
    """Print an exception's traceback from the program's first frame on, with its own hook; return the exit code."""
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
    except BaseException as second:  # noqa: BLE001  a hook that fails must not hide the original exception
        second.__traceback__ = second.__traceback__.tb_next if second.__traceback__ else None
        _say("Error in sys.excepthook:\n")
        sys.__excepthook__(type(second), second, second.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, frames)
    if isinstance(error, ModuleNotFoundError) and error.name:
        _say(package_hints.hint(error.name) or "")
    return code


def _without_ours(frames: types.TracebackType | None) -> types.TracebackType | None:
    """Remove the frames of the tool functions, which are not the program's own code."""
    chain = []
    while frames is not None:
        chain.append(frames)
        frames = frames.tb_next
    theirs = [
        item
        for item in chain
        if not item.tb_frame.f_code.co_filename.endswith("librechat_code_interpreter/runner/pythontools.py")
    ]
    if len(theirs) == len(chain):
        return chain[0] if chain else None
    for item in reversed(theirs):
        frames = types.TracebackType(frames, item.tb_frame, item.tb_lasti, item.tb_lineno)
    return frames


def _say(text: str) -> None:
    stderr = getattr(sys, "stderr", None)
    if stderr is not None:
        stderr.write(text)
