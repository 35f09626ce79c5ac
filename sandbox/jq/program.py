"""Running a filter on its inputs, after the pattern of jq's own main.c."""

import ctypes
import os
import sys
from collections.abc import Iterator

from command_line import CommandLine
from libjq import (
    ASCII,
    COLOR,
    FALSE,
    INVALID,
    NULL,
    NUMBER,
    SEQUENCE,
    SORTED,
    STREAM_ERRORS,
    STREAMING,
    STRING,
    Callback,
    Jv,
    array,
    content,
    dumped,
    json_object,
    kind_of,
    lib,
    string,
)

OK, NULL_RESULT, NO_RESULT = 0, -1, -4  # negative: a failure only under --exit-status
SYSTEM_ERROR, COMPILE_ERROR, RUN_ERROR = 2, 3, 5
RAW = {"raw-output", "raw-output0", "join-output"}


class Jq:
    """One compiled filter and its inputs."""

    def __init__(self, line: CommandLine) -> None:
        """Compile the filter and open the inputs, or end as jq does."""
        self.line = line
        self.style = line.print_flags()
        self.state = lib.jq_init()
        self.callbacks = (Callback(self.debug), Callback(self.standard_error))  # libjq keeps no reference
        lib.jq_set_debug_cb(self.state, self.callbacks[0], None)
        lib.jq_set_stderr_cb(self.state, self.callbacks[1], None)
        paths = line.library_paths or ["~/.jq", "$ORIGIN/../lib/jq", "$ORIGIN/../lib"]
        lib.jq_set_attr(self.state, string("JQ_LIBRARY_PATH"), array([string(path) for path in paths]))
        lib.jq_set_attr(self.state, string("PROGRAM_ORIGIN"), string(os.getcwd()))
        self.inputs = self.open_inputs()
        if not lib.jq_compile_args(self.state, os.fsencode(line.filter or "."), self.program_arguments()):
            raise SystemExit(COMPILE_ERROR)

    def program_arguments(self) -> Jv:
        """Return the variables of the program: each named argument, and `$ARGS`."""
        named = {name: lib.jv_copy(value) for name, value in self.line.named.items()}
        everything = {"positional": array(self.line.positional), "named": json_object(named)}
        return json_object({**self.line.named, "ARGS": json_object(everything)})

    def open_inputs(self) -> int:
        """Set up libjq's own reader of files and standard input, which also serves `input` and `inputs`."""
        inputs: int = lib.jq_util_input_init(None, None)
        parser = None
        if "raw-input" not in self.line:
            flags = SEQUENCE * ("seq" in self.line) | STREAMING * ("stream" in self.line)
            parser = lib.jv_parser_new(flags | (STREAMING | STREAM_ERRORS) * ("stream-errors" in self.line))
        lib.jq_util_input_set_parser(inputs, parser, int("slurp" in self.line))
        next_input = ctypes.cast(lib.jq_util_input_next_input_cb, ctypes.c_void_p)
        lib.jq_set_input_cb(self.state, next_input, inputs)
        for path in self.line.files or ["-"]:
            lib.jq_util_input_add_input(inputs, os.fsencode(path))
        return inputs

    def values(self) -> Iterator[Jv]:
        """Yield the values to run the filter on."""
        if "null-input" in self.line:
            yield lib.jv_null()
            return
        while not lib.jq_util_input_errors(self.inputs):
            value = lib.jq_util_input_next_input(self.inputs)
            if kind_of(value) == INVALID and not lib.jv_invalid_has_msg(lib.jv_copy(value)):
                return
            yield value

    def run(self) -> int:
        """Run the filter on every input and return jq's exit code."""
        ending, last = NO_RESULT, NO_RESULT
        for value in self.values():
            if kind_of(value) == INVALID:
                message = content(lib.jv_invalid_get_msg(value))
                if "seq" in self.line:
                    complain(b"jq: ignoring parse error: " + message + b"\n")
                    continue
                complain(b"jq: error (at " + self.position() + b"): " + message + b"\n")
                ending = RUN_ERROR
                break
            ending = self.run_one(value)
            last = last if ending == NO_RESULT or ending > 0 else ending
            if lib.jq_halted(self.state):
                break
        if lib.jq_util_input_errors(self.inputs):
            ending = SYSTEM_ERROR
        if "exit-status" in self.line:
            return abs(last if ending == NO_RESULT else ending)
        return max(ending, OK)

    def run_one(self, value: Jv) -> int:
        """Run the filter on one input, printing its results."""
        ending = NO_RESULT
        lib.jq_start(self.state, value, 0)
        while (kind := kind_of(result := lib.jq_next(self.state))) != INVALID:
            ending = NULL_RESULT if kind in (NULL, FALSE) else OK
            self.show(result, raw=kind == STRING and not RAW.isdisjoint(self.line.switches))
        if lib.jq_halted(self.state):
            return self.halted()
        if lib.jv_invalid_has_msg(lib.jv_copy(result)):
            message = lib.jv_invalid_get_msg(result)
            note = b"" if kind_of(message) == STRING else b" (not a string)"
            complain(b"jq: error (at " + self.position() + b")" + note + b": " + content(message) + b"\n")
            return RUN_ERROR
        return ending

    def show(self, result: Jv, *, raw: bool) -> None:
        """Print one result."""
        # jq quotes even a raw string when the output must be ASCII.
        data = content(result) if raw and "ascii-output" not in self.line else dumped(result, self.style)
        prefix = b"\x1e" if "seq" in self.line and not raw else b""
        end = b"\0" if "raw-output0" in self.line else b"" if "join-output" in self.line else b"\n"
        sys.stdout.buffer.write(prefix + data + end)
        if "unbuffered" in self.line:
            sys.stdout.buffer.flush()

    def halted(self) -> int:
        """Print what `halt_error` was given and return the exit code that the program chose."""
        code = lib.jq_get_exit_code(self.state)
        message = lib.jq_get_error_message(self.state)
        if kind_of(message) not in (INVALID, NULL):
            end = b"" if kind_of(message) == STRING else b"\n"
            complain(content(message) + end)
        if kind_of(code) == INVALID:
            return OK
        return int(lib.jv_number_value(code)) if kind_of(code) == NUMBER else RUN_ERROR

    def position(self) -> bytes:
        """Return the position of the reader of inputs."""
        return content(lib.jq_util_input_get_position(self.state))

    def debug(self, _: object, value: Jv) -> None:
        """Serve the filter `debug`."""
        complain(b'["DEBUG:",' + dumped(value, self.style & (ASCII | COLOR | SORTED)) + b"]\n")

    def standard_error(self, _: object, value: Jv) -> None:
        """Serve the filter `stderr`."""
        complain(content(value))


def complain(data: bytes) -> None:
    """Write to standard error, after what was printed so far."""
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
