"""Multipart uploads, part by part as they arrive; memory use does not depend on their size (K36)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

from fastapi import Request
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from librechat_code_interpreter.core.errors import BadRequest, TooLarge

MAX_FIELD_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 16
MAX_PARTS = 1000

_Event: TypeAlias = MultipartSegment | bytes | None
"""What the parser yields: the head of a part, pieces of its content, ``None`` at its end."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its form name, its file name (``None`` for a text field), and its content as it arrives."""

    name: str
    filename: str | None
    content_type: str | None
    _events: AsyncIterator[_Event]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the content in pieces. What is not read is skipped before the next part."""
        async for event in self._events:
            if event is None:
                return
            assert not isinstance(event, MultipartSegment)  # noqa: S101  the parser ends a part before the next one
            yield event

    async def text(self) -> str:
        """Read a text field. Raises ``TooLarge``."""
        value = bytearray()
        async for chunk in self.chunks():
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise TooLarge(f"The form field {self.name[:40]!r} is larger than {MAX_FIELD_BYTES} bytes.")
        return value.decode("utf-8", "replace")


async def parts_of(request: Request) -> AsyncIterator[Part]:
    """Yield the parts of a request's body. Raises ``BadRequest`` if it is broken or cut off."""
    parser = _parser_for(request)
    events = _events(parser, request)
    async for event in events:
        if isinstance(event, MultipartSegment):  # else content that the receiver of the part did not read
            if not event.name:
                raise BadRequest("A part of the multipart body has no name.")
            yield Part(event.name, event.filename, event.header("Content-Type"), events)
    if parser.error is not None:  # the receiver took it for an error of that part alone
        raise _bad_request(parser.error)


def _parser_for(request: Request) -> PushMultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get("boundary")
    if kind != "multipart/form-data" or not boundary:
        raise BadRequest("Content-Type: must be multipart/form-data with a boundary.")
    try:
        return PushMultipartParser(
            boundary, max_header_size=MAX_HEADER_BYTES, max_header_count=MAX_HEADERS, max_segment_count=MAX_PARTS
        )
    except MultipartError as error:
        raise _bad_request(error) from error


async def _events(parser: PushMultipartParser, request: Request) -> AsyncIterator[_Event]:
    try:
        async for chunk in request.stream():
            if chunk:
                for event in parser.parse(chunk):
                    yield event
        parser.close()
    except MultipartError as error:
        raise _bad_request(error) from error


def _bad_request(error: MultipartError) -> BadRequest:
    if isinstance(error, ParserLimitReached):
        return BadRequest(f"The multipart body is over a limit: {error}.")
    return BadRequest("The multipart body is broken or cut off.")
