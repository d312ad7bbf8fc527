"""Coupons, promotion codes, and the discounts that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

from . import periods
from .totals import Off

COUPON = resources.declare(
    resources.Resource("coupon", "", "/v1/coupons", index=("max_redemptions", "times_redeemed"))
)
CODE = resources.declare(
    resources.Resource(
        "promotion_code",
        "promo",
        "/v1/promotion_codes",
        index=("active", "code", "promotion.coupon", "customer", "max_redemptions", "times_redeemed"),
        expand={"customer": "customer", "coupon": "coupon"},
    )
)
DISCOUNT = resources.declare(
    resources.Resource(
        "discount",
        "di",
        index=("customer", "subscription"),
        expand={"customer": "customer", "promotion_code": "promotion_code"},
        metadata=False,
        tells=False,
    )
)
WHO: Json = dict.fromkeys(
    (
        "checkout_session",
        "customer",
        "customer_account",
        "invoice",
        "invoice_item",
        "subscription",
        "subscription_item",
    )
)


# -- coupons -----------------------------------------------------------------------------------------------


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


# -- promotion codes ---------------------------------------------------------------------------------------


def create_code(db: Db, params: Json) -> Json:
    """Make a code that customers can type for a coupon."""
    coupon = objects.get(db, "coupon", params["promotion"]["coupon"], param="promotion[coupon]")
    if params.get("customer"):
        objects.get(db, "customer", params["customer"], param="customer")
    code = params.get("code") or objects.new_id("", 8)[1:].upper()
    for other in objects.where(db, "promotion_code", code=code, active=True, limit=20):
        if other["customer"] in (None, params.get("customer")):
            raise ApiError("An active promotion code with `code: " + code + "` already exists.", param="code")
    limits = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}
    made = objects.make(
        db,
        "promotion_code",
        {
            "active": params.get("active", True) and coupon["valid"],
            "code": code,
            "customer": params.get("customer"),
            "customer_account": None,
            "expires_at": params.get("expires_at"),
            "max_redemptions": params.get("max_redemptions"),
            "metadata": params.get("metadata") or {},
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": limits | (params.get("restrictions") or {}),
            "times_redeemed": 0,
        },
    )
    events.emit(db, "promotion_code.created", made)
    return made


def edit_code(db: Db, id: str, params: Json) -> Json:
    """Change whether a code works, or its metadata."""
    old = objects.get(db, "promotion_code", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "promotion_code.updated", old, fresh)
    return fresh


def typed(db: Db, code: str, customer: str | None) -> Json:
    """The active promotion code that somebody has typed. Raises ApiError."""
    for found in objects.where(db, "promotion_code", code=code, active=True, limit=20):
        if found["customer"] in (None, customer):
            return found
    raise ApiError("This code is invalid.", code="promotion_code_invalid", param="promotion_code")


# -- discounts ---------------------------------------------------------------------------------------------


def chosen(
    db: Db, given: Sequence[Json] | None, *, param: str = "discounts"
) -> list[tuple[Json, str | None]]:
    """The coupons that a request names, by themselves or by a promotion code: `[(coupon, code)]`. Raises ApiError."""
    found: list[tuple[Json, str | None]] = []
    for n, each in enumerate(given or ()):
        where = f"{param}[{n}]"
        named = [k for k in ("coupon", "promotion_code", "discount") if each.get(k)]
        if len(named) != 1:
            raise ApiError("Give one of `coupon`, `promotion_code` and `discount`.", param=where)
        if named == ["coupon"]:
            found.append(
                (objects.get(db, "coupon", each["coupon"], param=f"{where}[coupon]", lock=True), None)
            )
        elif named == ["discount"]:
            old = objects.get(db, "discount", each["discount"], param=f"{where}[discount]")
            coupon = objects.get(db, "coupon", old["source"]["coupon"], param=where, lock=True)
            found.append((coupon, old["promotion_code"]))
        else:
            code = objects.get(db, "promotion_code", each["promotion_code"], param=f"{where}[promotion_code]")
            coupon = objects.get(db, "coupon", code["promotion"]["coupon"], param=where, lock=True)
            found.append((coupon, code["id"]))
    return found


def redeem(db: Db, given: Sequence[Json] | None, *, start: int | None = None, **who: Any) -> list[str]:
    """Discounts of the coupons that a request names, for whom it says; each counts. `{"discount": id}` keeps one as it is.

    Raises ApiError where a coupon is used up.
    """
    made: list[str] = []
    plain = [each for each in given or () if not each.get("discount")]
    made += [each["discount"] for each in given or () if each.get("discount")]
    for n, id in enumerate(made):
        kept = objects.get(db, "discount", id, param=f"discounts[{n}][discount]")
        if kept.get("customer") not in (None, who.get("customer")):
            raise ApiError("This discount belongs to another customer.", param=f"discounts[{n}][discount]")
    for n, (coupon, code) in enumerate(chosen(db, plain)):
        where = f"discounts[{n}]"
        _count(db, coupon, where)
        if code is not None:
            _count_code(db, code, who.get("customer"), where)
        begin = objects.now() if start is None else start
        months = coupon["duration_in_months"]
        end = periods.boundary(begin, "month", months, 1) if coupon["duration"] == "repeating" else None
        discount = objects.make(
            db,
            "discount",
            WHO
            | who
            | {
                "end": end,
                "promotion_code": code,
                "source": {"coupon": coupon["id"], "type": "coupon"},
                "start": begin,
            },
        )
        if who.get("customer") and (who.get("subscription") or not who.get("invoice")):
            events.emit(db, "customer.discount.created", discount)
        made.append(discount["id"])
    return made


def _count(db: Db, coupon: Json, param: str) -> None:
    """Counts a redemption; the row is locked."""
    most, used = coupon["max_redemptions"], coupon["times_redeemed"]
    late = coupon["redeem_by"] is not None and coupon["redeem_by"] <= objects.now()
    if not coupon["valid"] or late or (most is not None and used >= most):
        raise ApiError(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    spent = most is not None and used + 1 >= most
    objects.save(db, coupon | {"times_redeemed": used + 1, "valid": not spent})


def _count_code(db: Db, id: str, customer: str | None, param: str) -> None:
    code = objects.get(db, "promotion_code", id, param=param, lock=True)
    most, used = code["max_redemptions"], code["times_redeemed"]
    late = code["expires_at"] is not None and code["expires_at"] <= objects.now()
    if not code["active"] or late or (most is not None and used >= most):
        raise ApiError(
            "This promotion code has expired or is not active.", code="promotion_code_expired", param=param
        )
    if code["customer"] not in (None, customer):
        raise ApiError("This promotion code belongs to another customer.", param=param)
    if code["restrictions"]["first_time_transaction"] and customer and _has_paid(db, customer):
        raise ApiError("This promotion code is for a customer's first payment.", param=param)
    spent = most is not None and used + 1 >= most
    objects.save(db, code | {"times_redeemed": used + 1, "active": not spent})


def _has_paid(db: Db, customer: str) -> bool:
    return bool(objects.where(db, "payment_intent", customer=customer, status="succeeded", limit=1))


def offs(db: Db, discounts: Iterable[str], currency: str) -> list[Off]:
    """Discounts as the arithmetic takes them; those whose amount is of another currency do nothing."""
    found = objects.many(db, "discount", discounts)
    coupons = {id: objects.row_of(db, "coupon", id) for id in {d["source"]["coupon"] for d in found.values()}}
    told: list[Off] = []
    for discount in found.values():
        row = coupons[discount["source"]["coupon"]]
        if row is not None and (off := off_of(discount["id"], row.data, currency)) is not None:
            told.append(off)
    order = {id: n for n, id in enumerate(discounts)}
    return sorted(told, key=lambda off: order.get(off.id, 0))


def off_of(id: str, coupon: Json, currency: str) -> Off | None:
    """A coupon as the arithmetic takes it."""
    products = tuple((coupon.get("applies_to") or {}).get("products") or ())
    if coupon["percent_off"] is not None:
        return Off(id, percent=Fraction(str(coupon["percent_off"])), products=products)
    return Off(id, amount=coupon["amount_off"], products=products) if coupon["currency"] == currency else None


def lasting(db: Db, discounts: Iterable[str], moment: int) -> list[str]:
    """The discounts that are still there in a period which begins at a moment: not those for once, nor those that ended."""
    found = objects.many(db, "discount", discounts)
    kept: list[str] = []
    for id, discount in found.items():
        row = objects.row_of(db, "coupon", discount["source"]["coupon"])
        once = row is not None and row.data["duration"] == "once"
        if not once and (discount["end"] is None or discount["end"] > moment):
            kept.append(id)
        else:
            fresh = objects.save(db, discount | {"end": discount["end"] or moment})
            events.emit(db, "customer.discount.deleted", fresh)
    return kept


def give_back(db: Db, discounts: Sequence[str]) -> None:
    """Takes back redemptions that came to nothing."""
    for discount in objects.many(db, "discount", discounts).values():
        for kind, id in (
            ("coupon", discount["source"]["coupon"]),
            ("promotion_code", discount["promotion_code"]),
        ):
            found = objects.find(db, kind, id, lock=True) if id else None
            if found is None or found.get("deleted"):
                continue
            flag = "valid" if kind == "coupon" else "active"
            spent = (
                found["max_redemptions"] is not None and found["times_redeemed"] >= found["max_redemptions"]
            )
            fresh = found | {"times_redeemed": found["times_redeemed"] - 1, flag: found[flag] or spent}
            objects.save(db, fresh)
