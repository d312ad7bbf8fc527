"""A message as RFC 5322 wants it: addresses checked, headers encoded, text and HTML as alternatives.

Everything that ends up in a header is checked here: an address that is two, a name or a subject with a line break
(header injection) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from backendhub.kit.errors import Invalid

from .models import Attachment

POLICY = policy.SMTP.clone(cte_type="7bit")
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*"
OURS = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"})
TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,64}"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message, and the envelope it travels in."""

    raw: str
    sender: str
    recipients: list[str]


def address(text: str) -> Address:
    """`ann@example.org` or `Ann Ö <ann@example.org>`. Domains may be international; the part before the @ may not,
    because not every server takes it (RFC 6531). Raises Invalid for anything else, two addresses included."""
    match = re.fullmatch(r'\s*(?:"?([^"<>\x00-\x1f\x7f]*?)"?\s*<([^<>\s]+)>|([^<>\s]+))\s*', text)
    spec = (match[2] or match[3]) if match is not None else ""
    local, _, domain = spec.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        plain = ""
    if match is None or len(plain) > 254 or len(local) > 64 or not re.fullmatch(ADDRESS, plain):
        raise Invalid(f"{text[:100]!r} is no e-mail address.")
    return Address(display_name=match[1] or "", addr_spec=plain)


def compose(
    *,
    id: str,
    at: datetime,
    sender: str,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str | None = None,
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    reply_to: str | None = None,
    headers: Mapping[str, str] | None = None,
    attachments: Sequence[Attachment] = (),
) -> Composed:
    """The message and its envelope. `id` becomes its Message-ID. Raises Invalid."""
    origin = address(sender)
    shown, copied, hidden = (tuple(map(address, group)) for group in (to, cc, bcc))
    message = EmailMessage(policy=POLICY)
    message["From"] = origin
    if shown:
        message["To"] = shown
    if copied:
        message["Cc"] = copied
    if reply_to is not None:
        message["Reply-To"] = address(reply_to)
    message["Subject"] = _line("subject", subject)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{id}@{origin.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers to this
    for name, value in (headers or {}).items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) or name.lower() in OURS:
            raise Invalid(f"The header {name[:60]!r} cannot be given.")
        del message[name]
        message[name] = _line(name, value)
    message.set_content(_lines(text))
    if html is not None:
        message.add_alternative(_lines(html), subtype="html")
    for file in attachments:
        _attach(message, file)
    recipients = list(dict.fromkeys(a.addr_spec for a in (*shown, *copied, *hidden)))
    if not recipients:
        raise Invalid("A mail needs somebody who gets it.")
    return Composed(message.as_bytes().decode("ascii"), origin.addr_spec, recipients)


def _attach(message: EmailMessage, file: Attachment) -> None:
    main, _, sub = file.media_type.partition("/")
    if not re.fullmatch(TOKEN, main) or not re.fullmatch(TOKEN, sub):
        raise Invalid(f"{file.media_type[:60]!r} is no media type.")
    message.add_attachment(
        file.content,
        maintype=main,
        subtype=sub,
        filename=_line("file name", file.name),
        params=file.parameters,
        cte="base64",
    )


def _line(what: str, text: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029]", text):
        raise Invalid(f"The {what} of a mail is one line.")
    return _encodable(text)


def _lines(text: str) -> str:
    if "\0" in text:
        raise Invalid("A mail has no NUL in it.")
    return _encodable(text)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("Text with lone surrogates cannot be sent.") from None
    return text
