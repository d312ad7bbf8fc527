"""Webhook endpoints: who is told of which events. The kit's outbox sends them, signed as Stripe does."""

from __future__ import annotations

from backendhub.kit import outbox
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.outbox import endpoints
from backendhub.systems.payment import objects, resources, store
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import LATEST, Json, call

ENDPOINT = resources.declare(resources.Resource("webhook_endpoint", "we", "/v1/webhook_endpoints"))


def create(db: Db, params: Json) -> Json:
    """Register an address; the answer alone shows the secret that messages are signed with."""
    url = params["url"]
    if not url.startswith(("http://", "https://")):
        raise ApiError(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            code="url_invalid",
            param="url",
        )
    id = objects.new_id("we")
    place = endpoints.add(db, url=url, topics=_topics(params["enabled_events"]), note=id, signer="stripe")
    made = objects.make(
        db,
        "webhook_endpoint",
        {
            "api_version": params.get("api_version")
            or (None if call().version == LATEST else call().version),
            "application": None,
            "description": params.get("description"),
            "enabled_events": params["enabled_events"],
            "metadata": params.get("metadata") or {},
            "status": "enabled",
            "url": url,
        },
        id=id,
    )
    db.run(store.INSERT_PLACE, endpoint=id, place=place.id)
    return made | {"secret": place.secret}


def edit(db: Db, id: str, params: Json) -> Json:
    """Change an endpoint: its address, its events, whether it is told at all."""
    old = objects.get(db, "webhook_endpoint", id, lock=True)
    given = dict(params)
    disabled = given.pop("disabled", None)
    fresh = objects.changed(old, given)
    place = _place(db, id)
    if "url" in given or "enabled_events" in given:
        endpoints.edit(db, place, url=fresh["url"], topics=_topics(fresh["enabled_events"]))
    if disabled is not None:
        fresh["status"] = "disabled" if disabled else "enabled"
        if disabled:
            endpoints.disable(db, place, "disabled by its owner")
        else:
            endpoints.enable(db, place)
    return objects.save(db, fresh)


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete an endpoint."""
    gone = objects.delete(db, "webhook_endpoint", id)
    endpoints.remove(db, _place(db, id))
    db.run(store.DELETE_PLACE, endpoint=id)
    return gone


def resend(db: Db, event: str, params: Json) -> Json:
    """Send an event to an endpoint again."""
    told = objects.get(db, "event", event)
    id = params["webhook_endpoint"]
    objects.get(db, "webhook_endpoint", id, param="webhook_endpoint")
    try:
        endpoints.replay(db, _place(db, id), outbox.get(db, event))
    except NotFound:
        raise ApiError(f"The event {event} is too old to be sent again.", param="id") from None
    return told


def _place(db: Db, id: str) -> str:
    found = db.value(store.SELECT_PLACE, endpoint=id)
    if found is None:
        raise missing("webhook_endpoint", id)
    return str(found)


def _topics(events: list[str]) -> list[str]:
    """What the outbox calls events. Raises ApiError for what is none."""
    for n, name in enumerate(events):
        if name != "*" and not _is_event(name):
            raise ApiError(f"{name[:100]} is no type of event.", param=f"enabled_events[{n}]")
    return [f"payment.{name}" for name in events]


def _is_event(name: str) -> bool:
    words = name.split(".")
    return len(words) > 1 and all(
        word and set(word) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for word in words
    )
