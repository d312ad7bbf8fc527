"""Delivering an event to a webhook: one signed POST through the fetch guard, retried for three days."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Upstream

from . import endpoints, signing, store
from .models import Endpoint, Event

SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Delays in seconds, as Standard Webhooks proposes: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""
GIVE_UP = timedelta(days=5)
"""An endpoint that has failed for so long without a break is disabled."""
ANSWER_BYTES = 64 * 1024
ANSWER_KEPT = 500


@jobs.job("outbox.deliver", attempts=len(SCHEDULE) + 1, backoff=SCHEDULE, timeout=60, keep=timedelta(hours=1))
async def deliver(run: jobs.Run, endpoint: str, event: int) -> None:
    """Sends one event to one endpoint and writes the attempt down."""
    found = await run.aread(_load, endpoint, event)
    if found is None:
        raise jobs.GiveUp("the endpoint or the event is gone")
    place, about = found
    if not place.enabled:
        raise jobs.GiveUp(f"the endpoint is disabled: {place.reason}")
    signer = signing.SIGNERS[place.signer]
    body = signer.body(about)
    now = clock.precise()
    headers = signer.headers(_secrets(place), about.uid, now, body)
    attempt = _Attempt(run.job, place, about)
    try:
        answer = await run.hub.fetch.asend(
            "POST",
            place.url,
            content=body,
            headers={"content-type": "application/json", **headers},
            total=20.0,
            redirects=0,
            max_bytes=ANSWER_BYTES,
            repeatable=True,  # who receives it knows it again by its id
        )
    except Upstream as error:
        await run.aunit(attempt.failed, None, error.message, "")
        raise
    except HubError as error:  # the address is refused; asking again changes nothing
        await run.aunit(attempt.failed, None, error.message, "")
        raise jobs.GiveUp(error.message) from None
    if answer.ok:
        await run.afinish(attempt.succeeded, answer.status, answer.text)
        return
    await run.aunit(attempt.failed, answer.status, f"HTTP {answer.status}", answer.text)
    if answer.status == 410:
        await run.aunit(attempt.gone)
        raise jobs.GiveUp("the endpoint answered 410 Gone and is disabled")
    wait = answer.headers.get("retry-after", "")
    if answer.status in (429, 503) and wait.isascii() and wait.isdigit() and len(wait) < 6:
        raise jobs.Later(int(wait), f"HTTP {answer.status}, Retry-After: {wait}", counts=True)
    raise Upstream(f"{place.url[:200]} answered {answer.status}.")


def _load(db: Db, endpoint: str, event: int) -> tuple[Endpoint, Event] | None:
    place = db.one(Endpoint, store.SELECT_ENDPOINT, id=endpoint)
    about = db.one(Event, store.SELECT_EVENT, id=event)
    return None if place is None or about is None else (place, about)


def _secrets(endpoint: Endpoint) -> list[str]:
    if endpoint.old_until is not None and clock.now() >= endpoint.old_until:
        endpoint = replace(endpoint, old_secret=None)
    found = endpoints.opened(endpoint)
    return [found.secret, *([found.old_secret] if found.old_secret else [])]


class _Attempt:
    """What is written down of one attempt."""

    def __init__(self, job: jobs.Job, endpoint: Endpoint, event: Event) -> None:
        self.about: dict[str, Any] = {
            "endpoint": endpoint.id,
            "event": event.id,
            "job": job.id,
            "attempt": job.attempts,
        }
        self.endpoint = endpoint
        self.started = time.perf_counter()

    def succeeded(self, db: Db, status: int, answer: str) -> None:
        """The endpoint has it."""
        self._log(db, True, status, None, answer)
        db.run(store.WELL_AGAIN, id=self.endpoint.id)

    def failed(self, db: Db, status: int | None, error: str, answer: str) -> None:
        """It has not; one that fails for days is disabled."""
        self._log(db, False, status, error, answer)
        db.run(store.FAILING, id=self.endpoint.id, now=clock.now())
        since = self.endpoint.failing_since
        if since is not None and clock.now() - since > GIVE_UP:
            db.run(
                store.DISABLE,
                id=self.endpoint.id,
                now=clock.now(),
                reason=f"failing since {clock.iso(since)}",
            )

    def gone(self, db: Db) -> None:
        """It wants no more (410)."""
        db.run(store.DISABLE, id=self.endpoint.id, now=clock.now(), reason="answered 410 Gone")

    def _log(self, db: Db, ok: bool, status: int | None, error: str | None, answer: str) -> None:
        ms = round((time.perf_counter() - self.started) * 1000)
        kept = answer[:ANSWER_KEPT].replace("\0", "") or None
        about = {"ok": ok, "status": status, "error": error, "ms": ms, "answer": kept, "at": clock.precise()}
        db.run(store.INSERT_DELIVERY, **self.about, **about)
