"""Form bodies: `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578), files on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from pydantic_core import CoreSchema, core_schema

from backendhub.kit.errors import Malformed, TooLarge

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MAX_PARTS = 100
"""Parts of a multipart body."""
MAX_FIELDS = 1000
"""Fields of an urlencoded body."""
MAX_FIELD = 1024 * 1024
"""Bytes of a part that is no file."""
IN_MEMORY = 256 * 1024
"""Bytes of a file that are kept in memory; a longer one goes to a temporary file."""


class Upload:
    """A file in a form. It is gone when the response has been sent: copy what is to stay."""

    __slots__ = ("file", "filename", "media_type", "size")

    def __init__(self, filename: str | None, media_type: str) -> None:
        self.filename = filename
        """As the client says: never a path to write to."""
        self.media_type = media_type
        """As the client says."""
        self.size = 0
        self.file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed with the request)

    def read(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    def blocks(self, size: int = 64 * 1024) -> Iterator[bytes]:
        """All of it, block by block."""
        self.file.seek(0)
        while block := self.file.read(size):
            yield block

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """A field of a form's model may be an Upload."""
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """How OpenAPI says that a field is a file."""
        return {"type": "string", "format": "binary"}


class Form:
    """The fields of a form in the order in which they came; names may repeat."""

    __slots__ = ("items",)

    def __init__(self, items: list[tuple[str, str | Upload]]) -> None:
        self.items = items

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first text of this name."""
        return next((v for n, v in self.items if n == name and isinstance(v, str)), default)

    def all(self, name: str) -> list[str]:
        """Every text of this name."""
        return [v for n, v in self.items if n == name and isinstance(v, str)]

    def file(self, name: str) -> Upload | None:
        """The first file of this name."""
        return next((v for n, v in self.items if n == name and isinstance(v, Upload)), None)

    def files(self) -> list[tuple[str, Upload]]:
        """Every file and its field's name."""
        return [(n, v) for n, v in self.items if isinstance(v, Upload)]

    def close(self) -> None:
        """Removes the temporary files."""
        for _, upload in self.files():
            upload.file.close()


def urlencoded(body: bytes) -> Form:
    """The fields of an urlencoded body. Raises Malformed, TooLarge."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("The form has bytes in it that are not percent-encoded.") from None
    if text.count("&") >= MAX_FIELDS:
        raise TooLarge(f"The form has more than {MAX_FIELDS} fields.")
    try:
        return Form(list(parse_qsl(text, keep_blank_values=True, errors="strict")))
    except ValueError:
        raise Malformed("The form is not percent-encoded UTF-8.") from None


async def multipart(content_type: str, chunks: AsyncIterator[bytes]) -> Form:
    """The parts of a multipart body, files spooled to disk. Raises Malformed, TooLarge and what `chunks` raises."""
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise Malformed("The multipart body has no boundary.")
    reader = _Reader()
    form = Form(reader.items)
    try:
        parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS, strict=True)
        async for chunk in chunks:
            for event in parser.parse(chunk) if chunk else ():
                reader.take(event)
        parser.close()
        return form
    except ParserLimitReached as error:
        form.close()
        raise TooLarge(f"The form has too much of something: {error}.") from None
    except MultipartError as error:
        form.close()
        raise Malformed(f"The multipart body cannot be read: {error}.") from None
    except BaseException:
        form.close()
        raise


class _Reader:
    """Puts the parser's events together: a part's head, its bytes, its end."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str | Upload]] = []
        self._part: MultipartSegment | None = None
        self._text = bytearray()

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """The next event."""
        if isinstance(event, MultipartSegment):
            self._part = event
            self._text = bytearray()
            if event.filename is not None:
                media = event.content_type or "application/octet-stream"
                self.items.append((event.name or "", Upload(event.filename, media)))
        elif event is None:
            self._end()
        else:
            self._add(bytes(event))

    def _add(self, data: bytes) -> None:
        last = self.items[-1][1] if self._part is not None and self._part.filename is not None else None
        if isinstance(last, Upload):
            last.file.write(data)
            last.size += len(data)
            return
        self._text += data
        if len(self._text) > MAX_FIELD:
            raise TooLarge(f"A field of the form is larger than {MAX_FIELD} bytes.")

    def _end(self) -> None:
        if self._part is not None and self._part.filename is None:
            try:
                self.items.append((self._part.name or "", self._text.decode("utf-8")))
            except UnicodeDecodeError:
                raise Malformed(f"The field {self._part.name!r} of the form is not UTF-8.") from None
        self._part = None
