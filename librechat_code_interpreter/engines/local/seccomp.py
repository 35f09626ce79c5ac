"""Seccomp filter compiler: from the policy to classic BPF, an array of ``struct sock_filter``.

Rules read only the call's number and the low 32 bits of its arguments. A call that no rule denies is allowed.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from librechat_code_interpreter.engines.local.syscall_numbers import NUMBERS

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000
_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def pack(self) -> bytes:
        return struct.pack("HBBI", self.code, self.if_true, self.if_false, self.value & 0xFFFFFFFF)


def compile_policy(policy: dict[str, Any], *, has_memory_cgroup: bool, machine: str | None = None) -> bytes:
    """Return the filter for ``machine``, by default this machine's architecture.

    Raises ``KeyError`` for an architecture or a system call that has no number here.
    """
    column, audit = _ARCHITECTURES[machine or platform.machine()]
    program = [
        _Instruction(_LOAD, _ARCHITECTURE_AT),
        _Instruction(_JUMP_EQUAL, audit, if_true=1),
        _Instruction(_RETURN, _KILL_PROCESS),
        _Instruction(_LOAD, _NUMBER_AT),
    ]
    if column == 0:  # x32 calls have other numbers, which the rules below do not match
        program += [_Instruction(_JUMP_AT_LEAST, _X32_BIT, if_false=1), _Instruction(_RETURN, _KILL_PROCESS)]
    for number, body in _rules(policy, column, has_memory_cgroup):
        program += [_Instruction(_JUMP_EQUAL, number, if_false=len(body)), *body]
    program.append(_Instruction(_RETURN, _ALLOW))
    return b"".join(instruction.pack() for instruction in program)


def _rules(policy: dict[str, Any], column: int, has_memory_cgroup: bool) -> Iterable[tuple[int, list[_Instruction]]]:
    """Yield system call numbers with their instructions.

    Each list ends in a return, so it may overwrite the accumulator.
    """
    absent = dict(policy["syscalls_absent"])
    if not has_memory_cgroup:
        absent |= policy["syscalls_absent_without_memory_cgroup"]
    bodies: list[tuple[str, list[_Instruction]]] = [(name, [_fail(errno.EPERM)]) for name in policy["syscalls"]]
    bodies += [(name, [_fail(errno.ENOSYS)]) for name in absent]
    bodies += [(name, _socket_body(policy["sockets"])) for name in ("socket", "socketpair")]
    bodies.append(("ioctl", _one_of(1, (int(number, 16) for number in policy["ioctls"]), _fail(errno.EPERM))))
    bodies.append(("clone", _clone_body(policy["clone"]["denied_flags"])))
    bodies.append(("personality", _only(0, policy["personality"]["allowed"], _fail(errno.EPERM))))
    bodies.append(("setsockopt", _setsockopt_body(policy["socket_options_ignored"])))
    bodies += _argument_bodies(policy["arguments"])
    for name, body in bodies:
        number = NUMBERS[name][column]
        if number is not None:
            yield number, body


def _fail(number: int) -> _Instruction:
    return _Instruction(_RETURN, _ERRNO | number)


def _argument(index: int) -> _Instruction:
    return _Instruction(_LOAD, _ARGUMENTS_AT + 8 * index)


_PASS = _Instruction(_RETURN, _ALLOW)


def _one_of(index: int, values: Iterable[int], verdict: _Instruction) -> list[_Instruction]:
    """Build instructions that return the verdict if the argument is one of the values."""
    body = [_argument(index)]
    for value in values:
        body += [_Instruction(_JUMP_EQUAL, value, if_false=1), verdict]
    return [*body, _PASS]


def _only(index: int, values: Iterable[int], verdict: _Instruction) -> list[_Instruction]:
    """Build instructions that return the verdict if the argument is none of the values."""
    return [*_one_of(index, values, _PASS)[:-1], verdict]


def _socket_body(rules: dict[str, list[int]]) -> list[_Instruction]:
    """Allow only the listed families, without raw types. The type is the low four bits of the type argument."""
    families = [
        _Instruction(_JUMP_EQUAL, family, if_true=len(rules["families"]) - at)
        for at, family in enumerate(rules["families"])
    ]
    types = [_argument(1), _Instruction(_AND, 0xF)]
    for kind in rules["denied_types"]:
        types += [_Instruction(_JUMP_EQUAL, kind, if_false=1), _fail(errno.EPERM)]
    return [_argument(0), *families, _fail(errno.EAFNOSUPPORT), *types, _PASS]


def _clone_body(flags: int) -> list[_Instruction]:
    return [_argument(0), _Instruction(_JUMP_BITS, flags, if_false=1), _fail(errno.EPERM), _PASS]


def _argument_bodies(rules: Iterable[str]) -> list[tuple[str, list[_Instruction]]]:
    """Deny calls by the value of one argument.

    A rule reads "call argument value". A call may have several rules.
    """
    bodies: dict[str, list[_Instruction]] = {}
    for rule in rules:
        name, index, value = rule.split()
        denied = [_argument(int(index)), _Instruction(_JUMP_EQUAL, int(value), if_false=1), _fail(errno.EPERM)]
        bodies[name] = bodies.get(name, []) + denied
    return [(name, [*body, _PASS]) for name, body in bodies.items()]


def _setsockopt_body(options: dict[str, str]) -> list[_Instruction]:
    """Ignore the listed options of SOL_SOCKET (1) and return success."""
    ignored = _one_of(2, (int(option) for option in options), _fail(0))
    return [_argument(1), _Instruction(_JUMP_EQUAL, 1, if_true=1), _PASS, *ignored]
