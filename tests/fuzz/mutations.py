"""Mutations of a message as by clients, networks and attackers, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def mutated(message: bytes, tokens: Sequence[bytes], random: Random) -> bytes:
    """Change a message in one to four places; ``tokens`` are the elements of its format."""
    changed = bytearray(message)
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((1, 2, 8, 64, 1024)))
        piece = bytes(changed[start:end])
        match random.randrange(8):
            case 0:
                del changed[start:end]
            case 1:
                changed[start:start] = piece * random.choice((1, 2, 50))
            case 2:
                changed[start:end] = random.randbytes(len(piece))
            case 3:
                changed[start:start] = random.choice(tokens)
            case 4:
                changed[start:end] = random.choice(tokens)
            case 5:
                del changed[start:]
            case 6:
                changed[start:end] = piece[::-1]
            case _:
                changed[:] = _replaced(bytes(changed), tokens, random)
    return bytes(changed)


def _replaced(message: bytes, tokens: Sequence[bytes], random: Random) -> bytes:
    """Put one token in the place of another, once or everywhere."""
    present = [token for token in tokens if token in message]
    if not present:
        return message
    return message.replace(random.choice(present), random.choice(tokens), random.choice((1, -1)))


def cut(message: bytes, random: Random) -> list[bytes]:
    """Cut a message into pieces, as a network does."""
    pieces, at = [], 0
    while at < len(message):
        size = random.choice((1, 3, 17, 200, 5000))
        pieces.append(message[at : at + size])
        at += size
    return pieces
