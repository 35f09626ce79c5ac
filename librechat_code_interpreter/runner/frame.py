"""Frames: one message in a channel that others write to as well, such as a shell's merged output.

A frame is ``#frame NONCE LENGTH BODY NONCE#`` on a line of its own; the body is base64 of zlib. The nonce is the
requester's secret. zlib's checksum detects truncation and mixed-in output.
"""

from __future__ import annotations

import base64
import binascii
import zlib

_FAST = 1
_MOST_BYTES = 1 << 30


def wrap(message: bytes, nonce: str) -> bytes:
    """Return a frame that contains the message."""
    body = base64.b64encode(zlib.compress(message, _FAST)).decode("ascii")
    return f"\n#frame {nonce} {len(body)} {body} {nonce}#\n".encode("ascii")


def unwrap(output: str, nonce: str) -> bytes | None:
    """Return the message of the last complete frame with this nonce, or ``None``."""
    head = f"#frame {nonce} "
    at = output.rfind(head)
    while at >= 0:
        message = _read(output, at + len(head), nonce)
        if message is not None:
            return message
        at = output.rfind(head, 0, at)
    return None


def _read(output: str, at: int, nonce: str) -> bytes | None:
    digits, _, _ = output[at : at + 20].partition(" ")
    if not (digits.isascii() and digits.isdigit()):
        return None
    start = at + len(digits) + 1
    end = start + int(digits)
    if output[end : end + len(nonce) + 2] != f" {nonce}#":
        return None
    try:
        packed = base64.b64decode(output[start:end], validate=True)
        unpacker = zlib.decompressobj()
        message = unpacker.decompress(packed, _MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return message if unpacker.eof else None
