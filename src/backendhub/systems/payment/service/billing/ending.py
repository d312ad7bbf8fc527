"""How subscriptions end: at once, at the end of their period, at a time, or for want of payment."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import cycles, finalizing, invoices, invoicing, items, paying, subscriptions
from .times import living


def cancel(db: Db, id: str, params: Json) -> Json:
    """Cancel a subscription at once; what is left of the period is given back where that is asked for (`prorate`)."""
    owner = subscriptions.locked(db, id)
    if owner["status"] not in subscriptions.OPEN:
        raise ApiError(f"No such subscription: '{id}'", code="resource_missing", param="id", status=404)
    with living(db, owner):
        now = objects.now()
        customer = objects.get(db, "customer", owner["customer"], lock=True)
        if params.get("prorate") and owner["status"] in ("active", "past_due"):
            cycles.prorate(db, customer, owner, subscriptions.items_of(owner), now, sign=-1)
        given = params.get("cancellation_details") or {}
        told = owner["cancellation_details"] | given
        if params.get("invoice_now"):
            _last(db, customer, owner, now)
        return cancelled(
            db, objects.save(db, owner | {"cancellation_details": told}), reason="cancellation_requested"
        )


def _last(db: Db, customer: Json, owner: Json, now: int) -> Json | None:
    """A last invoice: what was used until now, and what waits."""
    start, _ = subscriptions.period(owner)
    own = cycles.metered(db, owner, start, now) if owner["status"] in ("active", "past_due") else []
    if not own and not items.waiting(db, customer["id"], owner["currency"], subscription=owner["id"]):
        return None
    invoice = cycles.draft(db, customer, owner, own, reason="subscription_update", period=(start, now))
    paying.collect(db, finalizing.finalized(db, invoice))
    return invoice


def ended(db: Db, owner: Json, period: tuple[int, int], *, at: int | None = None) -> None:
    """A subscription whose time is over; what was used in the period is still billed."""
    start, end = period
    moment = end if at is None else at
    customer = objects.get(db, "customer", owner["customer"], lock=True)
    used = cycles.metered(db, owner, start, min(end, moment))
    if any(line["amount"] for line in used):
        invoice = cycles.draft(
            db, customer, owner, used, reason="subscription_cycle", period=(start, min(end, moment))
        )
        owner = objects.save(db, owner | {"latest_invoice": invoice["id"]})
        invoices.goes_on(db, invoice)
    cancelled(db, owner, reason="cancellation_requested", at=moment)


def cancelled(db: Db, owner: Json, *, reason: str | None, at: int | None = None) -> Json:
    """A subscription that is over. A first invoice that nobody has paid is voided."""
    now = objects.now() if at is None else at
    details = owner["cancellation_details"]
    fresh = owner | {
        "canceled_at": owner["canceled_at"] or now,
        "cancellation_details": details | {"reason": details["reason"] or reason},
        "ended_at": now,
        "cancel_at_period_end": False,
    }
    was = owner["status"]
    fresh = subscriptions.moved(db, fresh, "cancel")
    db.run(store.CUT_PERIOD, subscription=owner["id"], at=now)
    events.emit(db, "customer.subscription.deleted", fresh)
    if was == "incomplete" and fresh["latest_invoice"]:
        invoice = invoicing.locked(db, fresh["latest_invoice"])
        if invoice["status"] == "open":
            finalizing.voided(db, invoice)
    _quiet(db, owner["id"])
    return objects.get(db, "subscription", owner["id"])


def _quiet(db: Db, id: str) -> None:
    """Nobody tries any more to be paid for a subscription that is over; its invoices can still be paid."""
    about = {"parent.subscription_details.subscription": id, "status": "open"}
    ids = [each["id"] for each in objects.where(db, "invoice", **about, limit=100)]
    found = objects.many(db, "invoice", ids, lock=True).values()  # one that is being paid is not overwritten
    quiet = [each for each in found if each["status"] == "open" and each["auto_advance"]]
    changes = {"auto_advance": False, "next_payment_attempt": None}
    objects.save_many(db, "invoice", [each | changes for each in quiet])
