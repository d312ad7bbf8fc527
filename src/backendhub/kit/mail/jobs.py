"""Handing mail to the server, with retries; forgetting old mail."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Upstream

from . import store
from .models import Message
from .outgoing import KEEP
from .smtp import server

ATTEMPTS = 12


@jobs.job("mail.send", attempts=ATTEMPTS, backoff=30.0, timeout=120, keep=timedelta(hours=1))
async def send(run: jobs.Run, message: str) -> None:
    """Hands one mail to the server; without a server it is kept to be looked at. After a crash it may go out twice,
    with the same Message-ID."""
    mail = await run.aread(_load, message)
    if mail is None or mail.state in ("sent", "kept"):
        return
    url = run.hub.settings.get("mail.url")
    if not url:
        await run.afinish(_settle, mail, "kept")
        return
    refused, left, error = await _hand_over(mail, url)
    said = "; ".join([*refused, *left.values()]) or error
    if error is None and not left:
        failed = len(refused) == len(mail.recipients)
        await run.afinish(
            _settle, mail, "failed" if failed else "sent", error=said, to=[] if failed else None
        )
        return
    over = run.attempt >= ATTEMPTS
    to = list(left) if left else None
    await run.aunit(_settle, mail, "failed" if over else "queued", error=said, to=to)
    raise Upstream(f"The mail server did not take it: {said}")


async def _hand_over(mail: Message, url: str) -> tuple[list[str], dict[str, str], str | None]:
    """Sends: who was refused for good, who for now and why, and what kept all of it from being taken."""
    import aiosmtplib

    try:
        errors, _ = await aiosmtplib.send(
            mail.raw.encode("ascii"), sender=mail.sender, recipients=mail.recipients, **server(url).options
        )
        answers = {who: (code, text) for who, (code, text) in errors.items()}
    except aiosmtplib.SMTPRecipientsRefused as error:
        answers = {one.recipient: (one.code, one.message) for one in error.recipients}
    except aiosmtplib.SMTPResponseException as error:
        told = f"{error.code} {error.message}"
        if error.code >= 500 and not isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return [f"{who}: {told}" for who in mail.recipients], {}, None
        return [], {}, told
    except (aiosmtplib.SMTPException, OSError) as error:
        return [], {}, str(error) or type(error).__name__
    never = [f"{who}: {code} {text}" for who, (code, text) in answers.items() if code >= 500]
    later = {who: f"{who}: {code} {text}" for who, (code, text) in answers.items() if code < 500}
    return never, later, None


def _load(db: Db, id: str) -> Message | None:
    return db.one(Message, store.SELECT, id=id)


def _settle(
    db: Db, mail: Message, state: str, *, error: str | None = None, to: list[str] | None = None
) -> None:
    db.run(
        store.SETTLE,
        id=mail.id,
        state=state,
        recipients=mail.recipients if to is None else to,
        sent=clock.now() if state == "sent" else None,
        error=error,
    )


@jobs.job("mail.tidy", cron="17 3 * * *")
def tidy(db: Db) -> None:
    """Forgets mail, keys and throttles that are older than thirty days."""
    before = clock.now() - KEEP
    db.run(store.PURGE, before=before)
    db.run(store.PURGE_THROTTLE, before=before)
