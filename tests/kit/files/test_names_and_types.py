"""Names that harm nobody, types that are found and not believed."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid
from backendhub.kit.files.names import disposition, safe
from backendhub.kit.files.service import size
from backendhub.kit.files.types import is_inline, sniff


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\x.doc", "x.doc"),
        ("a\0b\r\nc.txt", "abc.txt"),
        (".htaccess", "htaccess"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("  two   words . ", "two words"),
        ("CON.txt", "_CON.txt"),
        ("com1", "_com1"),
        ("console.log", "console.log"),
        ('<a>:"b"|?*', "_a___b____"),
        ("e\u0301.txt", "é.txt"),
        ("..", "file"),
        ("/", "file"),
        ("", "file"),
        ("x" * 300 + ".tar", "x" * 251 + ".tar"),
        ("ü" * 300, "ü" * 127),
        ("x." + "y" * 300, ("x." + "y" * 300)[:255]),
    ],
)
def test_names(given: str, expected: str) -> None:
    assert safe(given) == expected


@given(st.text())
def test_every_name_is_safe(name: str) -> None:
    kept = safe(name)
    assert kept == Path(kept).name
    assert 0 < len(kept.encode()) <= 255
    assert not any(unicodedata.category(c)[0] == "C" for c in kept)
    assert not set(kept) & set('/\\<>:"|?*')
    assert not kept.startswith(".")
    assert safe(kept) == kept


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.booleans())
def test_a_disposition_is_one_field(name: str, inline: bool) -> None:
    field = disposition(name, inline=inline)
    assert field.isascii()
    assert field.isprintable()
    message = Message()
    message["Content-Disposition"] = field
    assert message.get_content_disposition() == ("inline" if inline else "attachment")
    kept = safe(name)
    said = re.fullmatch(
        r"attachment; filename=\"([^\"\\]*)\"(?:; filename\*=UTF-8''(.*))?", disposition(kept)
    )
    assert said is not None
    assert (said[1] if said[2] is None else unquote(said[2])) == kept


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("head", "declared", "name", "expected"),
    [
        (PNG, "text/html", "x.html", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", None, "", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", None, "", "image/webp"),
        (b"XXXX\0\0\0\0WEBPVP8 ", None, "", "application/octet-stream"),
        (b"\0\0\0\x20ftypavif\0", None, "", "image/avif"),
        (b"\0\0\0\x20ftypisom\0", "audio/mp4", "", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\0", "audio/webm", "", "audio/webm"),
        (b"%PDF-1.7\n%\xe2\xe3", "text/html", "", "application/pdf"),
        (b"%PDF-1.7\n", None, "", "application/pdf"),
        (
            b"PK\3\4\0\0",
            None,
            "x.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b"PK\3\4\0\0", "text/html", "x.zip", "application/zip"),
        (b"PK\3\4\0\0", "application/epub+zip", "", "application/epub+zip"),
        (b"\0" * 257 + b"ustar", None, "", "application/x-tar"),
        (b"MZ\x90\0", "image/png", "x.png", "application/x-msdownload"),
        (b"", "text/csv", "x.csv", "text/csv"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "", "text/csv"),
        (b"a,b\n1,2\n", None, "x.csv", "text/csv"),
        (b"# Title", "text/markdown", "", "text/markdown"),
        (b'{"a": 1}', "application/json", "", "application/json"),
        (b'{"a": 1}', "text/html", "x.html", "text/plain"),
        (b"alert(1)", "text/javascript", "x.js", "text/plain"),
        (b"BMW and ID3 are words", None, "", "text/plain"),
        (b"GIF89a=1/*", "image/gif", "", "text/plain"),
        ("größer".encode() * 999, None, "", "text/plain"),
        ("größer".encode("latin-1"), "text/plain", "", "application/octet-stream"),
        (b"\xff\xfea\0b\0", None, "", "text/plain"),
        (b"\n <!DOCTYPE HTML><p>", "text/plain", "x.txt", "text/html"),
        (b"\xef\xbb\xbf<script>", "text/plain", "", "text/html"),
        (b"<!-- x --><script>", "image/svg+xml", "", "text/html"),
        (b"<?xml version='1.0'?><svg onload='x'>", "text/plain", "", "image/svg+xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/png", "", "image/svg+xml"),
        (b"<?xml version='1.0'?><rss>", "application/rss+xml", "", "application/rss+xml"),
        (b"<?xml version='1.0'?><a>", "text/html", "", "application/xml"),
        (b"\1\2\3", "text/html", "x.html", "application/octet-stream"),
        (b"\1\2\3", "image/png", "x.png", "application/octet-stream"),
    ],
)
def test_types(head: bytes, declared: str | None, name: str, expected: str) -> None:
    assert sniff(head, declared=declared, name=name) == expected


@given(
    st.binary(max_size=200),
    st.sampled_from(["text/html", "image/svg+xml", "text/javascript", "text/css", "x/y"]),
)
def test_a_dangerous_type_is_never_taken_from_the_client(head: bytes, declared: str) -> None:
    assert sniff(head, declared=declared, name="x.html") == sniff(head) or sniff(head) in ("text/plain",)
    assert not is_inline(declared)


def test_what_may_be_shown() -> None:
    assert all(map(is_inline, ("image/png", "video/mp4", "audio/mpeg", "text/plain", "application/pdf")))
    assert not any(
        map(is_inline, ("text/html", "image/svg+xml", "application/xml", "application/zip", "text/csv"))
    )


@pytest.mark.parametrize(
    ("text", "bytes"),
    [
        ("1000", 1000),
        ("5kB", 5000),
        ("5 KiB", 5120),
        ("1.5GB", 1_500_000_000),
        ("2 tib", 2 << 40),
        ("7b", 7),
        ("", None),
    ],
)
def test_sizes(text: str, bytes: int | None) -> None:
    assert size(text) == bytes


@pytest.mark.parametrize("text", ["much", "-1", "5XB", "1e3", "٣"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(Invalid):
        size(text)
