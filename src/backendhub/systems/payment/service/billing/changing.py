"""Changes of a subscription: items and quantities with prorations, its cycle, trial, cancellation, collection."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, store
from backendhub.systems.payment.errors import ApiError, CardError, missing
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import intents

from . import (
    cycles,
    discounting,
    finalizing,
    invoicing,
    lines,
    paying,
    periods,
    starting,
    subscriptions,
    taxes,
)
from .times import later, living

PLAIN = ("cancellation_details", "metadata", "description")
"""What can still be changed of a subscription that is over."""


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a subscription; what that comes to in the current period is prorated to the second."""
    old = subscriptions.locked(db, id)
    if old["status"] not in subscriptions.OPEN and not set(params) <= set(PLAIN):
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    with living(db, old):
        customer = objects.get(db, "customer", old["customer"], lock=True)
        if params.get("payment_behavior") == "error_if_incomplete":
            with db.savepoint():
                return _changed(db, customer, old, params)
        return _changed(db, customer, old, params)


def _changed(db: Db, customer: Json, old: Json, params: Json) -> Json:
    fresh = objects.save(db, _plainly(db, old, params))
    starting.extra(db, customer, fresh, params.get("add_invoice_items"))
    found = _items(db, fresh, params.get("items"), customer)
    if "discounts" in params:
        worth = subscriptions.worth(db, found)
        kept = discounting.redeem(
            db, params["discounts"], worth=worth, customer=old["customer"], subscription=old["id"]
        )
        fresh = objects.save(db, fresh | {"discounts": kept})
    at = _when(fresh, params)
    prorates = params.get("proration_behavior", "create_prorations") != "none" and old["status"] in (
        "active",
        "past_due",
    )
    restarts = _restarts(old, found, params)
    changes = _differences(old, found, restarts is not None)
    if prorates:
        # What is given back was billed with the discounts of before.
        before = fresh | {"discounts": old["discounts"]}
        cycles.prorate(db, customer, before, changes[0], at, sign=-1)
    fresh = objects.save(db, subscriptions.with_items(fresh, found))
    if restarts is not None:
        fresh = _restarted(db, customer, fresh, restarts, params)
    elif prorates:
        start, end = subscriptions.period(old)
        bounds = {"current_period_start": start, "current_period_end": end}
        cycles.prorate(db, customer, fresh, [item | bounds for item in changes[1]], at, sign=1)
    _told(db, old, fresh, params)
    if params.get("proration_behavior") == "always_invoice" and restarts is None and any(changes):
        _invoiced(db, customer, fresh, params)
    return objects.get(db, "subscription", old["id"])


def _plainly(db: Db, old: Json, params: Json) -> Json:
    """What of a change concerns no amount of this period."""
    starting.check(db, old, params)
    given: Json = {k: params[k] for k in subscriptions.KEPT if k in params}
    for name in ("payment_settings", "invoice_settings", "cancellation_details"):
        if name in params:
            given[name] = old[name] | (params[name] or {})
    if "default_tax_rates" in params:
        given["default_tax_rates"] = taxes.rates(db, params["default_tax_rates"], param="default_tax_rates")
    now = objects.now()
    if "cancel_at_period_end" in params or "cancel_at" in params:
        leaves = params.get("cancel_at_period_end") or params.get("cancel_at")
        given["canceled_at"] = (old["canceled_at"] or now) if leaves else None
        reason = "cancellation_requested" if leaves else None
        details: Json = given.get("cancellation_details") or old["cancellation_details"]
        given["cancellation_details"] = details | {"reason": reason}
        if params.get("cancel_at"):
            later(db, old, "payment.subscription_ends", params["cancel_at"], id=old["id"])
    if "pause_collection" in params:
        pause: Json = params["pause_collection"] or {}
        told: Json = {"resumes_at": None}
        given["pause_collection"] = told | pause if pause else None
        if pause.get("resumes_at"):
            later(
                db,
                old,
                "payment.subscription_resumes",
                pause["resumes_at"],
                id=old["id"],
                until=pause["resumes_at"],
            )
    return objects.changed(old, given)


def _items(db: Db, owner: Json, given: list[Json] | None, customer: Json) -> list[Json]:
    """The items after a change: those with an id are changed or deleted, others are added."""
    found = {each["id"]: each for each in subscriptions.items_of(owner)}
    start, end = subscriptions.period(owner)
    for n, each in enumerate(given or ()):
        param = f"items[{n}]"
        id = each.get("id")
        if id is not None and id not in found:
            raise missing("subscription_item", id, f"{param}[id]")
        if each.get("deleted"):
            if id is None:
                raise ApiError("Missing required param: id.", code="parameter_missing", param=f"{param}[id]")
            del found[id]
            continue
        fresh = subscriptions.item(db, each, param=param, currency=owner["currency"], old=found.get(id or ""))
        fresh |= {"subscription": owner["id"]}
        if id is None:
            fresh |= {"current_period_start": start, "current_period_end": end}
        if "discounts" in each:
            fresh["discounts"] = discounting.redeem(
                db,
                each["discounts"],
                worth=subscriptions.worth(db, [fresh]),
                customer=customer["id"],
                subscription_item=fresh["id"],
            )
        found[fresh["id"]] = fresh
    told = list(found.values())
    subscriptions.agree(told)
    return told


def _when(owner: Json, params: Json) -> int:
    """From when on a change is prorated. Raises ApiError."""
    start, end = subscriptions.period(owner)
    at = params.get("proration_date")
    if at is None:
        return min(max(objects.now(), start), end)
    if not start <= at <= end:
        raise ApiError("Invalid proration_date: it lies in the current period.", param="proration_date")
    return int(at)


def _differences(old: Json, found: list[Json], whole: bool) -> tuple[list[Json], list[Json]]:
    """What is given back and what is charged: items whose price or quantity is another, or all of them."""
    before = {each["id"]: each for each in subscriptions.items_of(old)}
    after = {each["id"]: each for each in found}

    def same(id: str) -> bool:
        mine, other = before.get(id), after.get(id)
        if mine is None or other is None or whole:
            return False
        return (mine["price"]["id"], mine["quantity"]) == (other["price"]["id"], other["quantity"])

    return [each for id, each in before.items() if not same(id)], [
        each for id, each in after.items() if not same(id)
    ]


def _restarts(old: Json, found: list[Json], params: Json) -> tuple[int, int] | None:
    """Where a change begins a new cycle: what it goes by, and the end of its first period."""
    now = objects.now()
    interval, count = subscriptions.cycle(found[0]["price"])
    trial = params.get("trial_end")
    if trial is not None and trial != "now":
        if trial <= now:
            raise ApiError("The trial's end must be in the future.", param="trial_end")
        if trial != old["trial_end"]:
            return int(trial), int(trial)
        return None
    ends_trial = trial == "now" and old["status"] == "trialing"
    longer = (interval, count) != subscriptions.cycle(subscriptions.items_of(old)[0]["price"]) and old[
        "status"
    ] != "trialing"
    if ends_trial or longer or params.get("billing_cycle_anchor") == "now":
        return now, periods.after(now, interval, count, now)
    return None


def _restarted(db: Db, customer: Json, owner: Json, cycle: tuple[int, int], params: Json) -> Json:
    """A subscription whose period is cut here, and a new one begins that is billed at once."""
    anchor, end = cycle
    now = objects.now()
    start, _ = subscriptions.period(owner)
    if start == now:
        db.run(store.DELETE_PERIOD, subscription=owner["id"], starts=start)
    db.run(store.CUT_PERIOD, subscription=owner["id"], at=now)
    tried = anchor > now
    fresh = owner | {"billing_cycle_anchor": anchor}
    if tried:
        fresh |= {"trial_start": owner["trial_start"] or now, "trial_end": end}
    elif owner["status"] == "trialing":
        fresh |= {"trial_end": now}
    fresh = objects.save(db, subscriptions.in_period(fresh, now, end))
    if tried and fresh["status"] == "active":
        fresh = subscriptions.moved(db, fresh, "try")
    elif not tried and fresh["status"] == "trialing":
        fresh = subscriptions.moved(db, fresh, "activate")
    starting.scheduled(db, fresh | {"cancel_at": None}, end if tried else None)
    invoice = cycles.bill(
        db,
        customer,
        fresh,
        now,
        end,
        reason="subscription_update",
        free=tried,
        used=(start, now) if start < now else None,
    )
    assert invoice is not None
    fresh = objects.save(db, fresh | {"latest_invoice": invoice["id"]})
    _pay(db, fresh, finalizing.finalized(db, invoice), params)
    return objects.get(db, "subscription", fresh["id"])


def _invoiced(db: Db, customer: Json, owner: Json, params: Json) -> None:
    """Bills at once what a change has come to."""
    now = objects.now()
    invoice = cycles.draft(db, customer, owner, [], reason="subscription_update", period=(now, now))
    current = subscriptions.locked(db, owner["id"])
    objects.save(db, current | {"latest_invoice": invoice["id"]})
    _pay(db, current, finalizing.finalized(db, invoice), params)


def _pay(db: Db, owner: Json, invoice: Json, params: Json) -> None:
    """Collects an invoice in the request that made it. Raises CardError where it must not stay open."""
    if invoice["status"] != "open" or owner["collection_method"] == "send_invoice":
        paying.collect(db, invoice)
        return
    behaviour = params.get("payment_behavior") or "allow_incomplete"
    if behaviour == "default_incomplete":
        intent, method = invoicing.intent_of(db, invoice), subscriptions.method_of(db, owner)
        if intent is not None and method is not None:
            intents.with_method(db, intent, {"payment_method": method})
        return
    failed: CardError | None = paying.attempt(
        db, invoice, off_session=params.get("off_session", False), must=behaviour == "error_if_incomplete"
    )
    if failed is not None and behaviour == "error_if_incomplete":
        raise failed


def _told(db: Db, old: Json, fresh: Json, params: Json) -> None:
    events.updated(db, "customer.subscription.updated", old, fresh)


# -- items by themselves -----------------------------------------------------------------------------------

HOW = ("payment_behavior", "proration_behavior", "proration_date", "off_session")


def add_item(db: Db, params: Json) -> Json:
    """Add an item to a subscription."""
    owner = objects.get(db, "subscription", params["subscription"], param="subscription")
    before = {each["id"] for each in subscriptions.items_of(owner)}
    given = {k: v for k, v in params.items() if k not in (*HOW, "subscription")}
    how = {k: params[k] for k in HOW if k in params}
    fresh = edit(db, owner["id"], {"items": [given]} | how)
    return next(each for each in subscriptions.items_of(fresh) if each["id"] not in before)


def get_item(db: Db, id: str, params: Json) -> Json:
    """Read an item of a subscription."""
    return subscriptions.owner_of(db, id)[1]


def edit_item(db: Db, id: str, params: Json) -> Json:
    """Change an item of a subscription."""
    owner, _ = subscriptions.owner_of(db, id)
    given = {k: v for k, v in params.items() if k not in HOW}
    how = {k: params[k] for k in HOW if k in params}
    edit(db, owner["id"], {"items": [given | {"id": id}]} | how)
    return get_item(db, id, {})


def delete_item(db: Db, id: str, params: Json) -> Json:
    """Take an item off a subscription."""
    owner, _ = subscriptions.owner_of(db, id)
    if len(subscriptions.items_of(owner)) == 1:
        raise ApiError(
            "A subscription must have at least one active plan. In order to cancel a subscription, please use the cancel "
            "endpoint in the subscriptions API."
        )
    how = {k: params[k] for k in HOW if k in params}
    edit(db, owner["id"], {"items": [{"id": id, "deleted": True}]} | how)
    return {"id": id, "object": "subscription_item", "deleted": True}


def list_items(db: Db, params: Json) -> Json:
    """List the items of a subscription."""
    owner = objects.get(db, "subscription", params["subscription"], param="subscription")
    return lines.sliced(subscriptions.items_of(owner), params, "/v1/subscription_items")


# -- paused subscriptions ----------------------------------------------------------------------------------


def resume(db: Db, id: str, params: Json) -> Json:
    """Resume a subscription that paused at the end of its trial: a new cycle begins, and is billed at once."""
    owner = subscriptions.locked(db, id)
    if owner["status"] != "paused":
        raise ApiError("Only subscriptions with the status `paused` can be resumed.")
    with living(db, owner):
        customer = objects.get(db, "customer", owner["customer"], lock=True)
        now = objects.now()
        _, end = subscriptions.period(owner)
        if now > end:
            db.run(store.INSERT_PERIOD, subscription=id, starts=end, ends=now, invoice="")
        fresh = subscriptions.turned(db, owner, "activate")
        interval, count = subscriptions.cycle(subscriptions.items_of(owner)[0]["price"])
        fresh = _restarted(
            db,
            customer,
            subscriptions.in_period(fresh, min(end, now), now),
            (now, periods.after(now, interval, count, now)),
            params,
        )
        events.emit(db, "customer.subscription.resumed", fresh)
    return objects.get(db, "subscription", id)
