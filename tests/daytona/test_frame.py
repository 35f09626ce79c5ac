"""A frame is found in a shell's output, and nothing else is taken for one."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from librechat_code_interpreter.runner.frame import unwrap, wrap

NONCE = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def framed(message: bytes, nonce: str = NONCE) -> str:
    """Write a frame as the channel carries it."""
    return wrap(message, nonce).decode("ascii")


@given(st.binary(max_size=2000), st.text(max_size=200), st.text(max_size=200))
def test_a_frame_survives_noise_around_it(message: bytes, before: str, after: str) -> None:
    """The message is intact whatever the shell prints before and after it."""
    assert unwrap(before + framed(message) + after, NONCE) == message


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_frame_that_is_cut_off_is_none(message: bytes, data: st.DataObject) -> None:
    """A part of a frame is not a frame."""
    whole = framed(message).rstrip("\n")
    assert unwrap(whole[: data.draw(st.integers(0, len(whole) - 1))], NONCE) is None


@given(st.binary(min_size=20, max_size=500), st.text("xyz\n", min_size=1, max_size=20), st.data())
def test_noise_within_a_frame_makes_it_none(message: bytes, noise: str, data: st.DataObject) -> None:
    """A frame with inserted bytes is rejected, never misread."""
    whole = framed(message)
    start = whole.index(NONCE) + len(NONCE) + 1
    at = data.draw(st.integers(start, whole.rindex(NONCE) - 1))
    assert unwrap(whole[:at] + noise + whole[at:], NONCE) in (None, message)


def test_a_frame_with_another_nonce_is_noise() -> None:
    """A program that does not know the nonce cannot forge the runner's answer."""
    forged = framed(b"forged", OTHER)
    assert unwrap(forged, NONCE) is None
    assert unwrap(forged + framed(b"true") + forged, NONCE) == b"true"


def test_the_last_whole_frame_counts() -> None:
    """The last valid frame counts; an invalid one after it is ignored."""
    first, second = framed(b"first"), framed(b"second")
    assert unwrap(first + second, NONCE) == b"second"
    assert unwrap(first + second[:-10], NONCE) == b"first"


@pytest.mark.parametrize(
    "body",
    [
        "#frame {nonce} x aaaa {nonce}#",
        "#frame {nonce} 99999999999999999999999 aaaa {nonce}#",
        "#frame {nonce} 4 aaaa {nonce}#",
        "#frame {nonce} 4 a!aa {nonce}#",
        "#frame {nonce} ٤ aaaa {nonce}#",
        "#frame {nonce} 0  {nonce}#",
        "#frame {nonce} ",
    ],
)
def test_what_only_looks_like_a_frame_is_none(body: str) -> None:
    """Wrong lengths, wrong alphabets and undecodable bodies are rejected without an error."""
    assert unwrap(body.format(nonce=NONCE), NONCE) is None


def test_a_body_that_unpacks_to_half_a_message_is_none() -> None:
    """The checksum at the end of the packed message has to be there."""
    packed = base64.b64encode(zlib.compress(b"x" * 5000)[:-3]).decode()
    assert unwrap(f"#frame {NONCE} {len(packed)} {packed} {NONCE}#", NONCE) is None
