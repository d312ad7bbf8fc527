"""What a file is, found in its first bytes. What a client declares is believed only where the content cannot tell and
the type does no harm: nothing that a browser would run gets in under another name."""

from __future__ import annotations

import mimetypes
import re

HEAD = 4096
"""Bytes that are looked at."""
UNKNOWN = "application/octet-stream"

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\1\0", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"MThd", "audio/midi"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\3\4", "application/zip"),
    (0, b"PK\5\6", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"Rar!\x1a\7", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\0asm", "application/wasm"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO", "font/otf"),
    (0, b"\0\1\0\0\0", "font/ttf"),
)
# Types whose content looks like the one on the left: there the declared type, or that of the name, says more.
WITHIN = {
    "application/zip": re.compile(
        r"application/(vnd\.(openxmlformats-|oasis\.|android\.|google-earth\.kmz)[\w.+-]*|epub\+zip|java-archive)"
    ),
    "application/x-ole-storage": re.compile(r"application/(msword|vnd\.ms-[\w.+-]*)"),
    "audio/ogg": re.compile(r"(audio|video|application)/ogg|audio/opus"),
    "video/webm": re.compile(r"(audio|video)/(webm|x-matroska)"),
    "video/mp4": re.compile(r"(audio|video)/(mp4|3gpp2?)"),
    "image/heif": re.compile(r"image/(heic|avif)"),
    "application/xml": re.compile(r"text/xml|application/(rss|atom|gpx|xliff|kml)\+xml"),
    "text/plain": re.compile(
        r"text/(csv|markdown|calendar|vcard|vtt|tab-separated-values|x-log)|message/rfc822|"
        r"application/(json|geo\+json|ld\+json|problem\+json|x-ndjson|yaml|toml|x-subrip|sql)"
    ),
}
# What a page begins with for a browser (WHATWG MIME Sniffing §7.1).
_PAGE = re.compile(
    rb"(?i)<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|link|meta|object|embed)"
    rb"[\s>/]|<!--"
)
INLINE = re.compile(
    r"image/(png|jpeg|gif|webp|avif|bmp|x-icon|heic|heif|jxl|tiff)|(audio|video)/[\w.+-]+|text/plain|application/pdf"
)
"""Types that a browser may show in its window; everything else is downloaded."""


def sniff(head: bytes, *, declared: str | None = None, name: str = "") -> str:
    """The media type of content with these first bytes (at most 4 KiB are looked at)."""
    head = head[:HEAD]
    found = _found(head)
    within = WITHIN.get(found)
    for wanted in (declared, mimetypes.guess_type(name)[0] if within else None):
        plain = (wanted or "").partition(";")[0].strip().lower()
        if within is not None and within.fullmatch(plain):
            return plain
    return found


def _found(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text/plain"
    if b"\0" not in head and _is_text(head):
        return _text(head)
    for at, mark, kind in SIGNATURES:
        if head.startswith(mark, at) and (at != 8 or head.startswith(b"RIFF")):
            return kind
    return UNKNOWN


def _text(head: bytes) -> str:
    """A text that begins like an image is no image: signatures in letters count in binary content only."""
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(start):
        return "text/html"
    if start.startswith(b"<?xml") or start[:4].lower() == b"<svg":
        return "image/svg+xml" if b"<svg" in head.lower() else "application/xml"
    return "text/plain"


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8, apart from a character that the end of the head may have cut."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)
    return False


def is_inline(kind: str) -> bool:
    """Whether a browser may show it: nothing that could run there."""
    return INLINE.fullmatch(kind) is not None
