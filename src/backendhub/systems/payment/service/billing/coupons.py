"""Coupons: so much off, or so many percent."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

COUPON = resources.declare(
    resources.Resource("coupon", "", "/v1/coupons", index=("max_redemptions", "times_redeemed"))
)


def create(db: Db, params: Json) -> Json:
    """Make a coupon: an amount or so many percent, once, for some months or for ever."""
    if (params.get("amount_off") is None) == (params.get("percent_off") is None):
        raise ApiError("Must provide exactly one of: `percent_off`, `amount_off`.", param="percent_off")
    if params.get("amount_off") is not None:
        if not params.get("currency"):
            raise ApiError(
                "You must pass `currency` when passing `amount_off`.",
                code="parameter_missing",
                param="currency",
            )
        money.exact(params["amount_off"], params["currency"], param="amount_off")
    percent = params.get("percent_off")
    if percent is not None and not 0 < Fraction(percent) <= 100:
        raise ApiError("Invalid percent: it is above 0 and up to 100.", param="percent_off")
    duration = params.get("duration") or "once"
    if (duration == "repeating") != (params.get("duration_in_months") is not None):
        raise ApiError(
            "`duration_in_months` belongs to the duration `repeating`.", param="duration_in_months"
        )
    if params.get("redeem_by") is not None and params["redeem_by"] <= objects.now():
        raise ApiError("`redeem_by` must be in the future.", param="redeem_by")
    wide: Json = {
        "amount_off": params.get("amount_off"),
        "currency": params.get("currency") if percent is None else None,
        "duration": duration,
        "duration_in_months": params.get("duration_in_months"),
        "max_redemptions": params.get("max_redemptions"),
        "metadata": params.get("metadata") or {},
        "name": params.get("name"),
        "percent_off": None if percent is None else float(Fraction(percent)),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    if products := (params.get("applies_to") or {}).get("products"):
        wide["applies_to"] = {"products": products}
    made = objects.make(db, "coupon", wide, id=params.get("id") or objects.new_id("", 8)[1:])
    if made["redeem_by"]:
        at = datetime.fromtimestamp(made["redeem_by"], UTC)
        jobs.enqueue(db, "payment.coupon_ends", at=at, id=made["id"])
    events.emit(db, "coupon.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a coupon's name or metadata."""
    old = objects.get(db, "coupon", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "coupon.updated", old, fresh)
    return fresh


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete a coupon: nobody can redeem it any more; discounts that it gave stay."""
    old = objects.get(db, "coupon", id, lock=True)
    events.emit(db, "coupon.deleted", old)
    return objects.delete(db, "coupon", id)


def ends(db: Db, id: str) -> None:
    """Ends a coupon whose time is over."""
    coupon = objects.find(db, "coupon", id, lock=True)
    if coupon is not None and coupon.get("valid") and coupon["redeem_by"] <= objects.now():
        objects.save(db, coupon | {"valid": False})
