"""Webhook endpoints: who is told of which topics, where, and signed how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from backendhub.kit import clock, ids, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.sealing import PREFIX, seal, unseal

from . import signing, store
from .events import LAST, PATTERN, matches
from .models import Delivery, Endpoint, Event
from .relay import BATCH, delivery

OVERLAP = timedelta(days=1)
"""How long messages are signed with the old secret as well, after a new one was made."""


def add(
    db: Db,
    *,
    url: str,
    topics: Sequence[str] = ("*",),
    note: str = "",
    secret: str | None = None,
    signer: str = "standard",
) -> Endpoint:
    """Registers an address and gives it with its secret. It is asked through `hub.fetch`, which refuses private ones:
    check it there before. Raises Invalid.
    """
    _check(topics)
    if signer not in signing.SIGNERS:
        raise Invalid(f"There is no way to sign called {signer!r}.", hint=", ".join(signing.SIGNERS))
    if secret is not None and signer == "standard":
        signing.key(secret)
    if secret is not None and secret.startswith(PREFIX):
        raise Invalid(f"A secret cannot begin with {PREFIX!r}.", hint="leave it out to have one made")
    secret = secret or signing.SIGNERS[signer].secret()
    made = db.one(
        Endpoint,
        store.INSERT_ENDPOINT,
        id=ids.uuid7(),
        url=url,
        topics=list(topics),
        note=note,
        signer=signer,
        secret=seal(secret),
        now=clock.now(),
    )
    assert made is not None
    return replace(made, secret=secret)


def get(db: Db, id: str) -> Endpoint:
    """One endpoint, its secrets as they are stored (see `opened`). Raises NotFound."""
    found = db.one(Endpoint, store.SELECT_ENDPOINT, id=id)
    if found is None:
        raise NotFound(f"There is no webhook {id}.", hint="backendhub webhook list")
    return found


def opened(endpoint: Endpoint) -> Endpoint:
    """An endpoint with its secrets as messages are signed with them. Raises StoreError where this process lacks the key
    that they are encrypted with."""
    old = endpoint.old_secret
    return replace(endpoint, secret=unseal(endpoint.secret), old_secret=None if old is None else unseal(old))


def find(db: Db) -> list[Endpoint]:
    """Every endpoint, the oldest first."""
    return db.all(Endpoint, store.LIST_ENDPOINTS)


def edit(db: Db, id: str, *, url: str, topics: Sequence[str]) -> Endpoint:
    """Gives an endpoint another address and other topics. Raises NotFound, Invalid."""
    _check(topics)
    db.run(store.EDIT, id=get(db, id).id, url=url, topics=list(topics))
    return get(db, id)


def _check(topics: Sequence[str]) -> None:
    for topic in topics:
        if re.fullmatch(PATTERN, topic) is None:
            raise Invalid(f"{topic!r} names no topics.", hint="order.paid, order.* or *")


def enable(db: Db, id: str) -> Endpoint:
    """Puts an endpoint to work again. What it has missed is sent by `replay`. Raises NotFound."""
    db.run(store.ENABLE, id=get(db, id).id)
    return get(db, id)


def disable(db: Db, id: str, reason: str) -> Endpoint:
    """Stops telling an endpoint. Raises NotFound."""
    db.run(store.DISABLE, id=get(db, id).id, now=clock.now(), reason=reason)
    return get(db, id)


def rotate(db: Db, id: str) -> Endpoint:
    """Makes a new secret and gives the endpoint with it; for a day messages are signed with both. Raises NotFound."""
    endpoint = get(db, id)
    secret = signing.SIGNERS[endpoint.signer].secret()
    rotated = db.one(Endpoint, store.ROTATE, id=id, secret=seal(secret), until=clock.now() + OVERLAP)
    assert rotated is not None
    return replace(rotated, secret=secret)


def remove(db: Db, id: str) -> None:
    """Forgets an endpoint and the log of its deliveries. Raises NotFound."""
    if not db.run(store.DELETE_ENDPOINT, id=id):
        get(db, id)


def deliveries(db: Db, id: str, *, before: int = LAST, limit: int = 50) -> list[Delivery]:
    """The attempts to reach an endpoint, the newest first. Raises NotFound."""
    return db.all(Delivery, store.LIST_DELIVERIES, endpoint=get(db, id).id, before=before, limit=limit)


def replay(db: Db, id: str, event: Event) -> int:
    """Sends one event to an endpoint, again or for the first time, and gives the job's id. Raises NotFound."""
    row = delivery(get(db, id), event, ordered=False)
    return jobs.enqueue(db, row["name"], unique=row["unique"], queue=row["queue"], **row["payload"])


def replay_missed(db: Db, id: str, since: datetime) -> int:
    """Sends every event since a time that an endpoint wanted and has not got; gives how many. Raises NotFound."""
    endpoint = get(db, id)
    sent, after = 0, int(db.value(store.FIRST_SINCE, since=since) or 1) - 1
    while events := db.all(Event, store.UNDELIVERED, since=since, endpoint=id, after=after, limit=BATCH):
        wanted = [event for event in events if matches(endpoint.topics, event.topic)]
        jobs.enqueue_many(db, [delivery(endpoint, event) for event in wanted])
        sent, after = sent + len(wanted), events[-1].id
    return sent
