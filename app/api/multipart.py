"""Read a multipart body part by part, as it arrives; memory use does not depend on its size (K36)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from app.core.errors import BadRequest, TooLarge

MAX_FIELD_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_PARTS = 1000


@dataclass(slots=True)
class Part:
    """Hold one part: its form name, its file name (``None`` for a text field), and its content as it comes."""

    name: str
    filename: str | None
    content_type: str | None
    _reader: MultipartReader

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the content in pieces as they come; what is not taken is skipped before the next part."""
        while (data := await self._reader.next_data()) is not None:
            yield data

    async def text(self) -> str:
        """Read a text field. Raises ``TooLarge``."""
        value = bytearray()
        async for chunk in self.chunks():
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise TooLarge(f"The form field {self.name[:40]!r} is larger than {MAX_FIELD_BYTES} bytes.")
        return value.decode("utf-8", "replace")


@dataclass(slots=True)
class _Collected:
    """Collect what the parser's callbacks say, in order."""

    events: deque[tuple[str, bytes]] = field(default_factory=deque)
    header_field: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    headers: dict[str, bytes] = field(default_factory=dict)
    is_complete: bool = False


class MultipartReader:
    """Give the parts of a request's body. Raises ``BadRequest`` for one that is broken or cut off."""

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadRequest("Content-Type: must be multipart/form-data with a boundary.")
        self._stream = request.stream()
        self._seen = _Collected()
        try:
            self._parser = _parser(boundary, self._seen)
        except FormParserError as error:
            raise BadRequest("Content-Type: its boundary is too long.") from error
        self._in_part = False

    async def parts(self) -> AsyncIterator[Part]:
        """Give the parts one after the other."""
        count = 0
        while (event := await self._next()) is not None:
            if event[0] != "headers":
                continue
            count += 1
            if count > MAX_PARTS:
                raise BadRequest(f"The body has more than {MAX_PARTS} parts.")
            self._in_part = True
            yield self._part(event[1])
            while await self.next_data() is not None:
                pass
        if not self._seen.is_complete:
            raise BadRequest("The multipart body is cut off.")

    def _part(self, disposition: bytes) -> Part:
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise BadRequest("A part of the multipart body has no name.")
        filename = options.get(b"filename")
        content_type = self._seen.headers.get("content-type")
        return Part(
            options[b"name"].decode("utf-8", "replace"),
            None if filename is None else filename.decode("utf-8", "replace").replace("%22", '"'),
            content_type.decode("latin-1") if content_type else None,
            self,
        )

    async def next_data(self) -> bytes | None:
        """Give the next piece of the current part, or ``None`` at its end."""
        while self._in_part:
            event = await self._next()
            if event is None:
                raise BadRequest("The multipart body is cut off.")
            if event[0] == "data":
                return event[1]
            if event[0] == "end":
                self._in_part = False
        return None

    async def _next(self) -> tuple[str, bytes] | None:
        while not self._seen.events:
            try:
                chunk = await anext(self._stream)
            except StopAsyncIteration:
                return None
            if self._is_all_data(chunk):
                return "data", chunk
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise BadRequest("The multipart body is broken.") from error
        return self._seen.events.popleft()

    def _is_all_data(self, chunk: bytes) -> bool:
        """Tell whether a chunk lies within one part as a whole, so that it need not be looked through and copied.

        The parser's ``index`` is 0 unless what came before ends like the beginning of a delimiter, and ``rfind`` takes
        a third of the time that ``find`` takes.
        """
        parser = self._parser
        if parser.state is not MultipartState.PART_DATA or parser.index:
            return False
        return b"\r" not in chunk[-len(parser.boundary) :] and chunk.rfind(parser.boundary) < 0


def _parser(boundary: bytes, seen: _Collected) -> MultipartParser:
    def on_part_begin() -> None:
        seen.headers = {}

    def on_header_field(data: bytes, start: int, end: int) -> None:
        seen.header_field += data[start:end]

    def on_header_value(data: bytes, start: int, end: int) -> None:
        seen.header_value += data[start:end]
        if len(seen.header_value) > MAX_HEADER_BYTES:
            raise BadRequest("A header of the multipart body is too long.")

    def on_header_end() -> None:
        seen.headers[seen.header_field.decode("latin-1").lower()] = bytes(seen.header_value)
        seen.header_field.clear()
        seen.header_value.clear()

    def on_headers_finished() -> None:
        seen.events.append(("headers", seen.headers.get("content-disposition", b"")))

    def on_part_data(data: bytes, start: int, end: int) -> None:
        seen.events.append(("data", data[start:end]))

    def on_part_end() -> None:
        seen.events.append(("end", b""))

    def on_end() -> None:
        seen.is_complete = True

    return MultipartParser(
        boundary,
        {
            "on_part_begin": on_part_begin, "on_header_field": on_header_field, "on_header_value": on_header_value,
            "on_header_end": on_header_end, "on_headers_finished": on_headers_finished, "on_part_data": on_part_data,
            "on_part_end": on_part_end, "on_end": on_end,
        },
    )  # fmt: skip
