"""The parts of libjq that a command line needs, called through ctypes.

The PyPI binding `jq` carries the whole of libjq, but its Python side gives neither number literals nor
`input`, `debug`, `halt_error` and jq's own output formats. So we call the library inside it ourselves.
"""

import ctypes
import importlib.util
import os

INVALID, NULL, FALSE, NUMBER, STRING = 0, 1, 2, 4, 5  # jv_kind
PRETTY, ASCII, COLOR, SORTED, TAB = 1, 2, 4, 8, 64  # jv_print_flags
SEQUENCE, STREAMING, STREAM_ERRORS = 1, 2, 4  # jv_parser flags


class Jv(ctypes.Structure):
    """A JSON value of libjq: 16 bytes, passed by value. Most calls take over the value they are given."""

    _fields_ = (("head", ctypes.c_uint64), ("body", ctypes.c_uint64))


Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, Jv)
POINTER, TEXT, INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
SIGNATURES = {
    "jv_array": (Jv,),
    "jv_array_append": (Jv, Jv, Jv),
    "jv_copy": (Jv, Jv),
    "jv_dump_string": (Jv, Jv, INT),
    "jv_free": (None, Jv),
    "jv_get_kind": (INT, Jv),
    "jv_invalid_get_msg": (Jv, Jv),
    "jv_invalid_has_msg": (INT, Jv),
    "jv_load_file": (Jv, TEXT, INT),
    "jv_null": (Jv,),
    "jv_number_value": (ctypes.c_double, Jv),
    "jv_object": (Jv,),
    "jv_object_set": (Jv, Jv, Jv, Jv),
    "jv_parse": (Jv, TEXT),
    "jv_parser_new": (POINTER, INT),
    "jv_string_length_bytes": (INT, Jv),
    "jv_string_sized": (Jv, TEXT, INT),
    "jv_string_value": (POINTER, Jv),
    "jq_compile_args": (INT, POINTER, TEXT, Jv),
    "jq_get_error_message": (Jv, POINTER),
    "jq_get_exit_code": (Jv, POINTER),
    "jq_halted": (INT, POINTER),
    "jq_init": (POINTER,),
    "jq_next": (Jv, POINTER),
    "jq_set_attr": (None, POINTER, Jv, Jv),
    "jq_set_debug_cb": (None, POINTER, Callback, POINTER),
    "jq_set_input_cb": (None, POINTER, POINTER, POINTER),
    "jq_set_stderr_cb": (None, POINTER, Callback, POINTER),
    "jq_start": (None, POINTER, Jv, INT),
    "jq_util_input_add_input": (None, POINTER, TEXT),
    "jq_util_input_errors": (INT, POINTER),
    "jq_util_input_get_position": (Jv, POINTER),
    "jq_util_input_init": (POINTER, POINTER, POINTER),
    "jq_util_input_next_input": (Jv, POINTER),
    "jq_util_input_set_parser": (None, POINTER, POINTER, INT),
}


def load_libjq() -> ctypes.CDLL:
    """Load the libjq inside the binding's extension module and declare what we call."""
    spec = importlib.util.find_spec("jq")
    if spec is None or spec.origin is None:
        raise SystemExit("jq: error: the Python package jq is missing")
    library = ctypes.CDLL(spec.origin)
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


lib = load_libjq()


def kind_of(value: Jv) -> int:
    """Return the kind of a value, which stays the caller's."""
    return int(lib.jv_get_kind(value))


def string(text: str) -> Jv:
    """Make a JSON string of a command line argument; libjq repairs what is not UTF-8."""
    data = os.fsencode(text)
    result: Jv = lib.jv_string_sized(data, len(data))
    return result


def array(values: list[Jv]) -> Jv:
    """Make a JSON array, taking over the values."""
    result: Jv = lib.jv_array()
    for value in values:
        result = lib.jv_array_append(result, value)
    return result


def json_object(values: dict[str, Jv]) -> Jv:
    """Make a JSON object, taking over the values."""
    result: Jv = lib.jv_object()
    for name, value in values.items():
        result = lib.jv_object_set(result, string(name), value)
    return result


def dumped(value: Jv, flags: int = 0) -> bytes:
    """Return the JSON text of a value, which is taken over."""
    return content(lib.jv_dump_string(value, flags))


def content(value: Jv) -> bytes:
    """Return the bytes of a string, or the JSON text of anything else; takes over the value."""
    if kind_of(value) != STRING:
        value = lib.jv_dump_string(value, 0)
    data = ctypes.string_at(lib.jv_string_value(value), lib.jv_string_length_bytes(lib.jv_copy(value)))
    lib.jv_free(value)
    return data
