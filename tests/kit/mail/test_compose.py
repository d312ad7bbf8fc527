"""Messages as RFC 5322 wants them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string, policy
from typing import Any

import pytest

from backendhub.kit.errors import Invalid
from backendhub.kit.mail import Attachment
from backendhub.kit.mail.compose import Composed, address, compose
from backendhub.kit.mail.smtp import server

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def made(**changes: Any) -> Composed:
    about: dict[str, Any] = {
        "sender": "Shop <shop@example.org>",
        "to": ["ann@example.org"],
        "subject": "Hi",
        "text": "x",
    }
    return compose(id="0198", at=AT, **(about | changes))


def parsed(**changes: Any) -> Any:
    return message_from_string(made(**changes).raw, policy=policy.default)


def test_the_whole_of_a_plain_mail() -> None:
    mail = made(text="Hello.\n")
    assert mail.raw.splitlines() == [
        "From: Shop <shop@example.org>",
        "To: ann@example.org",
        "Subject: Hi",
        "Date: Mon, 05 Jan 2026 09:00:00 +0000",
        "Message-ID: <0198@example.org>",
        "Auto-Submitted: auto-generated",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "MIME-Version: 1.0",
        "",
        "Hello.",
    ]
    assert "\r\n" in mail.raw and "\n" not in mail.raw.replace("\r\n", "")
    assert (mail.sender, mail.recipients) == ("shop@example.org", ["ann@example.org"])


def test_what_is_not_ascii_is_encoded_and_comes_back() -> None:
    long = "Ünïcödé " * 40
    mail = parsed(
        subject=long.strip(),
        text="Grüße 🎉\n" + "y" * 3000,
        html="<p>Grüße</p>",
        sender='"Müller, Zoë" <z@exämple.org>',
    )
    raw = made(subject=long.strip(), text="y" * 3000).raw
    assert raw.isascii() and max(map(len, raw.splitlines())) <= 998
    assert mail["subject"] == long.strip()
    assert (mail["from"].addresses[0].display_name, mail["from"].addresses[0].domain) == (
        "Müller, Zoë",
        "xn--exmple-cua.org",
    )
    assert mail.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.get_body(("plain",)).get_content().startswith("Grüße 🎉\r\n")


def test_hidden_recipients_are_in_the_envelope_only() -> None:
    mail = made(cc=["bob@example.org"], bcc=["eve@example.org", "ann@example.org"])
    assert mail.recipients == ["ann@example.org", "bob@example.org", "eve@example.org"]
    assert "eve" not in mail.raw
    assert "Cc: bob@example.org" in mail.raw


def test_attachments() -> None:
    files = [
        Attachment("Ärger.pdf", "application/pdf", bytes(range(256))),
        Attachment(
            "invite.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", {"method": "REQUEST"}
        ),
    ]
    mail = parsed(attachments=files, html="<b>x</b>")
    assert mail.get_content_type() == "multipart/mixed"
    pdf, ics = mail.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content()) == ("Ärger.pdf", bytes(range(256)))
    assert (ics.get_content_type(), ics["content-type"].params["method"]) == ("text/calendar", "REQUEST")
    assert ics.get_payload(decode=True) == files[1].content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@example.org, eve@example.org",
        "ann@example.org eve@example.org",
        "Ann <ann@example.org>, Eve <eve@example.org>",
        "Ann <ann@example.org> <eve@example.org>",
        "ann@example.org\nBcc: eve@example.org",
        "Ann\r\nBcc: eve@example.org <ann@example.org>",
        "Ann\x00 <ann@example.org>",
        "ann..b@example.org",
        "ann@-example.org",
        "ann@exa_mple.org",
        "änn@example.org",
        "a" * 65 + "@example.org",
        "ann@" + "a." * 130 + "org",
        "<script>@example.org",
    ],
)
def test_what_is_no_single_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no e-mail address"):
        address(text)


def test_addresses_that_are_fine() -> None:
    assert address("o'neil+tag@sub.example.co.uk").addr_spec == "o'neil+tag@sub.example.co.uk"
    assert address('"Ann, the first" <a@b>').display_name == "Ann, the first"
    assert address(" Ann B. <a@b.org> ").addr_spec == "a@b.org"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hi\nBcc: eve@example.org"},
        {"subject": "Hi\r\n\r\nbody"},
        {"subject": "Hi\u2028x"},
        {"subject": "\ud800"},
        {"text": "a\0b"},
        {"headers": {"X-Tag": "a\nBcc: eve@example.org"}},
        {"headers": {"X-Tag\nBcc": "a"}},
        {"headers": {"Bcc": "eve@example.org"}},
        {"headers": {"from": "eve@example.org"}},
        {"headers": {"X Y": "a"}},
        {"to": []},
        {"attachments": [Attachment("a\r\nb", "text/plain", b"")]},
        {"attachments": [Attachment("a", "text", b"")]},
        {"attachments": [Attachment("a", "text/pl ain\r\nX: y", b"")]},
    ],
)
def test_what_could_become_another_header_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        made(**changes)


def test_own_headers() -> None:
    mail = parsed(
        headers={"List-Unsubscribe": "<https://example.org/u>", "Auto-Submitted": "no"}, reply_to="r@b.org"
    )
    assert mail["list-unsubscribe"] == "<https://example.org/u>"
    assert mail.get_all("auto-submitted") == ["no"]
    assert mail["reply-to"] == "r@b.org"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", ("localhost", 25, False, None, None, True)),
        ("smtp://u:p%40ss@127.0.0.1:2525", ("127.0.0.1", 2525, False, None, "u", True)),
        ("smtp://u:p@mail.example.org:587", ("mail.example.org", 587, False, True, "u", True)),
        ("smtp+starttls://mail.example.org", ("mail.example.org", 587, False, True, None, True)),
        ("smtps://u:p@mail.example.org?verify=no", ("mail.example.org", 465, True, False, "u", False)),
        ("smtp://[::1]:25", ("::1", 25, False, None, None, True)),
    ],
)
def test_the_address_of_the_server(url: str, expected: tuple[Any, ...]) -> None:
    found = server(url)
    assert (found.host, found.port, found.tls, found.starttls, found.user, found.verify) == expected
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    "url", ["localhost", "http://x", "smtp://", "smtp://h:99999", "smtp://h?x=1", "smtp://h?verify=1"]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match=r"mail\.url"):
        server(url)
