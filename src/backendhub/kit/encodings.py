"""Compressed request bodies (RFC 9110 §8.4): unfolded bit by bit, and never further than is allowed."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from typing import Any

from backendhub.kit.errors import Malformed, TooLarge, UnsupportedMediaType

Decoder = Callable[[bytes], Iterator[bytes]]
"""Gives what some compressed bytes unfold to, in pieces of `PIECE` at most or so; empty bytes end the body."""

PIECE = 64 * 1024
MAX_CODINGS = 3


def codings(field: str) -> list[str]:
    """The codings of a Content-Encoding, in the order in which they were applied. Raises UnsupportedMediaType."""
    names = [name.strip().lower() for name in field.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > MAX_CODINGS or any(name not in _DECODERS for name in names):
        raise _unsupported(field)
    return names


def decode(body: bytes, field: str, limit: int) -> bytes:
    """A whole body, unfolded. Raises UnsupportedMediaType, Malformed, and TooLarge as soon as it is larger than `limit`."""
    names = codings(field)
    if not names:
        return body
    decoders = [_DECODERS[name]() for name in reversed(names)]
    parts, size = [], 0
    for pieces in (_through(decoders, body) if body else (), _finish(decoders)):
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise TooLarge(f"The body is larger than {limit} bytes.")
            parts.append(piece)
    return b"".join(parts)


async def decoded(chunks: AsyncIterator[bytes], names: list[str]) -> AsyncIterator[bytes]:
    """The parts of a body, unfolded. Raises Malformed for data that is damaged or cut short."""
    decoders = [_DECODERS[name]() for name in reversed(names)]
    async for chunk in chunks:
        if chunk:
            for piece in _through(decoders, chunk):
                yield piece
    for piece in _finish(decoders):
        yield piece


def _through(decoders: list[Decoder], data: bytes) -> Iterator[bytes]:
    if not decoders:
        yield data
        return
    for piece in decoders[0](data):
        yield from _through(decoders[1:], piece)


def _finish(decoders: list[Decoder]) -> Iterator[bytes]:
    """Lets each decoder say whether its data were whole."""
    for at, decoder in enumerate(decoders):
        for piece in decoder(b""):
            yield from _through(decoders[at + 1 :], piece)


def _gzip() -> Decoder:
    return _zlib(lambda _: zlib.decompressobj(wbits=31))


def _deflate() -> Decoder:
    """Zlib's format, and the bare one that some clients send under this name."""
    return _zlib(lambda data: zlib.decompressobj(wbits=15 if data[:1] and data[0] & 15 == 8 else -15))


def _zlib(make: Callable[[bytes], Any]) -> Decoder:
    state: list[Any] = []

    def decode(data: bytes) -> Iterator[bytes]:
        if not data:
            if state and not state[0].eof:
                raise _damaged()
            return
        while data:
            if not state:
                state.append(make(data))
            engine = state[0]
            try:
                piece = engine.decompress(data, PIECE)
            except zlib.error:
                raise _damaged() from None
            if piece:
                yield piece
            data = engine.unconsumed_tail
            if engine.eof:
                data = engine.unused_data
                if data:
                    state.clear()  # gzip members may follow each other (RFC 1952 §2.2)

    return decode


def _zstd() -> Decoder:
    import zstandard

    engine = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
    step = 64  # four bytes can unfold to 128 KiB, and this library gives all of it at once

    def decode(data: bytes) -> Iterator[bytes]:
        if not data:
            if not engine.eof:
                raise _damaged()
            return
        for at in range(0, len(data), step):
            if engine.eof:
                raise _damaged()
            try:
                piece = engine.decompress(data[at : at + step])
            except zstandard.ZstdError:
                raise _damaged() from None
            if piece:
                yield piece

    return decode


def _br() -> Decoder:
    try:
        import brotli
    except ImportError:
        raise _unsupported("br") from None
    engine = brotli.Decompressor()

    def decode(data: bytes) -> Iterator[bytes]:
        if not data:
            if not engine.is_finished():
                raise _damaged()
            return
        try:
            while True:
                piece = engine.process(data, output_buffer_limit=PIECE)
                if piece:
                    yield piece
                data = b""
                if engine.can_accept_more_data():
                    return
        except brotli.error:
            raise _damaged() from None

    return decode


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _br,
}


def _damaged() -> Malformed:
    return Malformed("The compressed body is damaged or cut short.")


def _unsupported(field: str) -> UnsupportedMediaType:
    error = UnsupportedMediaType(f"The content coding {field[:80]!r} is not read here.")
    error.headers["Accept-Encoding"] = "gzip, deflate, zstd" + (", br" if find_spec("brotli") else "")
    return error
