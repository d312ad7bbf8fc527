"""Dead letters: what could not be taken in or not be sent is a dead job, and `backendhub jobs retry` tries it again."""

from __future__ import annotations

from base64 import b64decode

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, StoreError
from backendhub.kit.outbox.relay import SENDING

from . import store
from .cloudevents import decode
from .intake import hand_on


@jobs.job("bus.receive", attempts=1)
def receive(db: Db, body: str, why: str, base64: bool = False) -> None:
    """Takes a message in that could not be."""
    try:
        hand_on(db, [decode(b64decode(body) if base64 else body.encode())])
    except StoreError:
        raise
    except (HubError, ValueError) as error:
        raise jobs.GiveUp(getattr(error, "message", str(error)) or why) from None


@jobs.job("bus.send", attempts=1)
def send(run: jobs.Run, event: int, why: str) -> None:
    """Says at first why an event cannot be sent; whoever tries it again has it sent again."""
    if run.attempt == 1:
        raise jobs.GiveUp(why)
    run.finish(_again, event)


def _again(db: Db, event: int) -> None:
    db.run(store.SEND_AGAIN, event=event)
    db.signal(SENDING)
