"""A mail as the store keeps it, and a file that goes with one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Message:
    """A mail. `state` is queued, sent, kept (there is no server: look at it under /_mail) or failed.

    `recipients` are those of the envelope that still have to get it, `shown_to` is the To of the message.
    """

    id: str
    state: str
    sender: str
    recipients: list[str]
    shown_to: str
    subject: str
    raw: str
    created_at: datetime
    sent_at: datetime | None
    error: str | None


class Attachment(NamedTuple):
    """A file that goes with a mail. `parameters` belong to the media type: `{"method": "REQUEST"}` of an invitation."""

    name: str
    media_type: str
    content: bytes
    parameters: dict[str, str] | None = None
