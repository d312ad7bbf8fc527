"""What happens to subscriptions by themselves, at its time: renewal, the end of a trial, expiry, cancellation."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects
from backendhub.systems.payment.models import Json

from . import cycles, ending, finalizing, invoices, invoicing, periods, starting, subscriptions
from .times import living

RENEWS = ("trialing", "active", "past_due", "unpaid")


def renews(db: Db, id: str, due: int) -> None:
    """Ends the period that ends at `due` and bills the next, unless that was done, or is not wanted any more."""
    owner = objects.find(db, "subscription", id, lock=True)
    if owner is None or owner["status"] not in RENEWS:
        return
    with living(db, owner):
        start, end = subscriptions.period(owner)
        if end != due or end > objects.now():
            return
        if owner["cancel_at_period_end"] or (owner["cancel_at"] and owner["cancel_at"] <= due):
            ending.ended(db, owner, (start, end))
        elif owner["status"] != "trialing" or _goes_on(db, owner):
            _next(db, owner, start, end)


def _goes_on(db: Db, owner: Json) -> bool:
    """Whether a subscription goes on after its trial, without a payment method perhaps."""
    wanted = owner["trial_settings"]["end_behavior"]["missing_payment_method"]
    if wanted == "create_invoice" or owner["collection_method"] == "send_invoice":
        return True
    if subscriptions.method_of(db, owner) is not None:
        return True
    if wanted == "cancel":
        ending.cancelled(db, owner, reason=None)
    else:
        fresh = subscriptions.turned(db, owner, "pause")
        events.emit(db, "customer.subscription.paused", fresh)
    return False


def _next(db: Db, owner: Json, start: int, end: int) -> None:
    """The next period, and its invoice."""
    customer = objects.get(db, "customer", owner["customer"], lock=True)
    interval, count = subscriptions.cycle(subscriptions.items_of(owner)[0]["price"])
    following = periods.after(owner["billing_cycle_anchor"], interval, count, end)
    fresh = cycles.renewed(db, owner, end, following)
    if fresh["status"] == "trialing":
        fresh = subscriptions.turned(db, fresh, "activate")
    starting.scheduled(db, fresh | {"cancel_at": None}, None)
    invoice = cycles.bill(db, customer, fresh, end, following, reason="subscription_cycle", used=(start, end))
    if invoice is None:
        return
    objects.save(db, fresh | {"latest_invoice": invoice["id"]})
    collected(db, fresh, invoice)


def collected(db: Db, owner: Json, invoice: Json) -> None:
    """What becomes of the draft of a renewal: it goes on in an hour, unless collection is paused or was given up."""
    pause = owner["pause_collection"]
    if pause is None and owner["status"] != "unpaid":
        invoices.goes_on(db, invoice)
        return
    quiet = objects.save(db, invoice | {"auto_advance": False})
    if pause is not None and pause["behavior"] != "keep_as_draft":
        opened = finalizing.finalized(db, quiet)
        if opened["status"] == "open":
            ends = finalizing.voided if pause["behavior"] == "void" else finalizing.written_off
            ends(db, opened)


def expires(db: Db, id: str) -> None:
    """Gives up a subscription whose first invoice was not paid in time."""
    owner = objects.find(db, "subscription", id, lock=True)
    if owner is None or owner["status"] != "incomplete":
        return
    with living(db, owner):
        now = objects.now()
        fresh = subscriptions.turned(db, owner | {"ended_at": now}, "expire")
        invoice = invoicing.locked(db, fresh["latest_invoice"])
        if invoice["status"] == "open":
            finalizing.voided(db, invoice)


def ends(db: Db, id: str) -> None:
    """Cancels a subscription at the time that was said (`cancel_at`), unless that has changed."""
    owner = objects.find(db, "subscription", id, lock=True)
    if owner is None or owner["status"] not in subscriptions.OPEN or not owner["cancel_at"]:
        return
    with living(db, owner):
        if owner["cancel_at"] <= objects.now():
            ending.ended(db, owner, subscriptions.period(owner), at=owner["cancel_at"])


def resumes(db: Db, id: str, until: int) -> None:
    """Ends a pause of collection."""
    owner = objects.find(db, "subscription", id, lock=True)
    if owner is None or not owner["pause_collection"] or owner["pause_collection"]["resumes_at"] != until:
        return
    with living(db, owner):
        fresh = objects.save(db, owner | {"pause_collection": None})
        events.updated(db, "customer.subscription.updated", owner, fresh)


def trial_ends_soon(db: Db, id: str, trial: int) -> None:
    """Tells that a trial ends in three days."""
    owner = objects.find(db, "subscription", id, lock=True)
    if owner is not None and owner["status"] == "trialing" and owner["trial_end"] == trial:
        with living(db, owner):
            events.emit(db, "customer.subscription.trial_will_end", owner)
