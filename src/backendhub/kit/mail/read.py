"""A mail taken apart again, for those who look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import message_from_string, policy
from email.message import EmailMessage, MIMEPart
from typing import cast

from backendhub.kit.errors import NotFound

from .models import Message


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, without its content."""

    number: int
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A mail as tests and people want it."""

    id: str
    state: str
    sender: str
    recipients: list[str]
    subject: str
    created_at: datetime
    sent_at: datetime | None
    error: str | None
    headers: dict[str, str]
    text: str
    html: str | None
    attachments: list[File]


def opened(mail: Message) -> Opened:
    """Headers decoded, bodies and attachments found."""
    message = _parsed(mail)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    return Opened(
        id=mail.id,
        state=mail.state,
        sender=mail.sender,
        recipients=mail.recipients,
        subject=mail.subject,
        created_at=mail.created_at,
        sent_at=mail.sent_at,
        error=mail.error,
        headers={name: str(value) for name, value in message.items()},
        text=_text(text) if text is not None else "",
        html=_text(html) if html is not None else None,
        attachments=[
            File(number, part.get_filename() or "file", part.get_content_type(), len(_content(part)))
            for number, part in enumerate(_files(message))
        ],
    )


def attachment(mail: Message, number: int) -> tuple[str, str, bytes]:
    """Name, media type and content of an attachment. Raises NotFound."""
    files = _files(_parsed(mail))
    if not 0 <= number < len(files):
        raise NotFound(f"The mail has no attachment {number}.")
    part = files[number]
    return part.get_filename() or "file", part.get_content_type(), _content(part)


def _text(part: MIMEPart) -> str:
    return cast(str, part.get_content()).replace("\r\n", "\n")


def _parsed(mail: Message) -> EmailMessage:
    return message_from_string(mail.raw, policy=policy.default)


def _files(message: EmailMessage) -> list[MIMEPart]:
    return list(message.iter_attachments())


def _content(part: MIMEPart) -> bytes:
    return cast(bytes, part.get_payload(decode=True)) or b""
