"""Interpreter of classic BPF as the kernel runs it for seccomp, for the instructions that our filters use."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, AND, RETURN = 0x20, 0x54, 0x06
JUMPS = {
    0x15: lambda accumulator, value: accumulator == value,
    0x35: lambda accumulator, value: accumulator >= value,
    0x45: lambda accumulator, value: bool(accumulator & value),
}
MOST_INSTRUCTIONS = 4096
DATA_BYTES = 64


@dataclass(frozen=True)
class Instruction:
    """One ``struct sock_filter``."""

    code: int
    if_true: int
    if_false: int
    value: int


def disassemble(program: bytes) -> list[Instruction]:
    """Cut a filter into instructions."""
    return [Instruction(*fields) for fields in struct.iter_unpack("HBBI", program)]


def data(machine: int, number: int, *arguments: int) -> bytes:
    """Lay a call out as ``struct seccomp_data``, every argument 64 bits wide."""
    filled = [*arguments, *[0] * (6 - len(arguments))]
    return struct.pack("IIQ6Q", number, machine, 0, *filled)


def run(program: list[Instruction], call: bytes) -> int:
    """Return the filter's verdict on a call."""
    accumulator = position = 0
    while True:
        instruction = program[position]
        position += 1
        if instruction.code == LOAD:
            (accumulator,) = struct.unpack_from("I", call, instruction.value)
        elif instruction.code == AND:
            accumulator &= instruction.value
        elif instruction.code == RETURN:
            return instruction.value
        else:
            position += (
                instruction.if_true if JUMPS[instruction.code](accumulator, instruction.value) else instruction.if_false
            )


def check(program: list[Instruction]) -> None:
    """Check what the kernel checks before it accepts a filter: known instructions, no jump or end outside."""
    assert 0 < len(program) <= MOST_INSTRUCTIONS
    assert program[-1].code == RETURN
    for position, instruction in enumerate(program):
        assert instruction.code in {LOAD, AND, RETURN, *JUMPS}
        if instruction.code in JUMPS:
            assert position + 1 + max(instruction.if_true, instruction.if_false) < len(program)
        if instruction.code == LOAD:
            assert instruction.value % 4 == 0
            assert instruction.value < DATA_BYTES
