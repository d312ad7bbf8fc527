"""Sending and looking at mail, as functions of the store: a mail leaves if, and only if, its transaction is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit import clock, hub, ids, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .models import Attachment, Message

KEEP = timedelta(days=30)
FROM = "backendhub <backendhub@localhost>"
LAST = "g"  # behind every id, which is hexadecimal


def send(
    db: Db,
    *,
    to: str | Sequence[str],
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    sender: str | None = None,
    reply_to: str | None = None,
    headers: Mapping[str, str] | None = None,
    attachments: Sequence[Attachment] = (),
    key: str | None = None,
    at: datetime | timedelta | None = None,
) -> str | None:
    """Puts a mail in the outbox of the caller's transaction and gives its id.

    What it says is `subject` and `text` (and `html`), or a `template` filled in with `context`. With a `key` it is sent
    at most once: None where there was one of that key before (in the last thirty days). `sender` is the setting
    `mail.from` unless given. `at` is a time or a delay. Raises Invalid and NotFound (a template).
    """
    from .compose import compose

    if template is not None:
        from .templates import render

        subject, text, html = render(template, dict(context or {}))
    if subject is None or text is None:
        raise Invalid("A mail needs a subject and a text, or a template.")
    id, now = ids.uuid7(), clock.wall().replace(microsecond=0)
    addressees = [to] if isinstance(to, str) else list(to)
    made = compose(
        id=id,
        at=now,
        sender=sender or hub.current().settings.get("mail.from") or FROM,
        to=addressees,
        subject=subject,
        text=text,
        html=html,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        headers=headers,
        attachments=attachments,
    )
    about = {"id": id, "sender": made.sender, "recipients": made.recipients, "raw": made.raw, "key": key}
    if not db.run(store.INSERT, **about, shown=", ".join(addressees), subject=subject, now=now):
        return None
    jobs.enqueue(db, "mail.send", queue="mail", at=at, message=id)
    return id


def allowed(db: Db, recipient: str, about: str, *, every: timedelta) -> bool:
    """Whether somebody may be written to about something (again): at most once in a window, whoever asks at once.

    `if mail.allowed(db, user.email, "reset", every=timedelta(minutes=1)): mail.send(…)`
    """
    now = clock.wall()
    return db.run(store.THROTTLE, recipient=recipient.lower(), about=about, now=now, since=now - every) == 1


def get(db: Db, id: str) -> Message:
    """One mail. Raises NotFound."""
    found = db.one(Message, store.SELECT, id=id)
    if found is None:
        raise NotFound(f"There is no mail {id[:60]}.")
    return found


def find(db: Db, *, before: str | None = None, limit: int = 50) -> list[Message]:
    """Mails, the newest first; `before` is the id of the last one of the page before."""
    return db.all(Message, store.LIST, before=before or LAST, limit=limit)


def remove(db: Db, id: str) -> None:
    """Forgets a mail. One that has not been sent is not sent. Raises NotFound."""
    if not db.run(store.DELETE, id=id):
        get(db, id)


def clear(db: Db) -> int:
    """Forgets every mail; gives how many there were."""
    return db.run(store.DELETE_ALL)
