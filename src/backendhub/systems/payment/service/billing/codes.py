"""Promotion codes: what customers type for a coupon, and for whom and for how much it is good."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

CODE = resources.declare(
    resources.Resource(
        "promotion_code",
        "promo",
        "/v1/promotion_codes",
        index=("active", "code", "promotion.coupon", "customer", "max_redemptions", "times_redeemed"),
        expand={"customer": "customer", "coupon": "coupon"},
    )
)
UNLIMITED: Json = {
    "first_time_transaction": False,
    "minimum_amount": None,
    "minimum_amount_currency": None,
}


class Worth(NamedTuple):
    """What somebody buys with a code, before any discount."""

    amount: int
    currency: str


def create(db: Db, params: Json) -> Json:
    """Make a code that customers can type for a coupon."""
    coupon = objects.get(db, "coupon", params["promotion"]["coupon"], param="promotion[coupon]")
    if params.get("customer"):
        objects.get(db, "customer", params["customer"], param="customer")
    code = params.get("code") or objects.new_id("", 8)[1:].upper()
    objects.alone(db, f"code {code}")
    for other in objects.where(db, "promotion_code", code=code, active=True, limit=20):
        if other["customer"] in (None, params.get("customer")):
            raise ApiError("An active promotion code with `code: " + code + "` already exists.", param="code")
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
            "restrictions": _restricted(UNLIMITED, params.get("restrictions") or {}),
            "times_redeemed": 0,
        },
    )
    events.emit(db, "promotion_code.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change whether a code works, the least amounts in other currencies, or its metadata."""
    old = objects.get(db, "promotion_code", id, lock=True)
    given = dict(params)
    if "restrictions" in given:
        given["restrictions"] = _restricted(old["restrictions"], given["restrictions"])
    fresh = objects.save(db, objects.changed(old, given))
    events.updated(db, "promotion_code.updated", old, fresh)
    return fresh


def _restricted(old: Json, given: Json) -> Json:
    """Restrictions after a change. Raises ApiError for a least amount without its currency."""
    fresh = old | {k: v for k, v in given.items() if k != "currency_options"}
    amount, currency = fresh["minimum_amount"], fresh["minimum_amount_currency"]
    if (amount is None) != (currency is None):
        name = "minimum_amount" if amount is None else "minimum_amount_currency"
        raise ApiError(
            f"Missing required param: restrictions[{name}].",
            code="parameter_missing",
            param=f"restrictions[{name}]",
        )
    options: Json = given.get("currency_options") or {}
    if options and (amount is None or currency in options):
        raise ApiError(
            "`currency_options` are for other currencies than `minimum_amount_currency`.",
            param="restrictions[currency_options]",
        )
    if amount is not None:
        money.exact(amount, currency, param="restrictions[minimum_amount]")
    if merged := (old.get("currency_options") or {}) | options:
        fresh["currency_options"] = merged
    return fresh


def typed(db: Db, code: str, customer: str | None, worth: Worth) -> Json:
    """The promotion code that somebody has typed, if it is good for what they buy. Raises ApiError."""
    for found in objects.where(db, "promotion_code", code=code, active=True, limit=20):
        if found["customer"] in (None, customer):
            fits(db, found, customer, worth, "promotion_code")
            return found
    raise ApiError("This code is invalid.", code="promotion_code_invalid", param="promotion_code")


def count(db: Db, code: Json, customer: str | None, worth: Worth | None, param: str) -> None:
    """Counts a redemption of a code that is locked; one that is named twice counts twice. Raises ApiError where it is none for this customer or amount."""
    fits(db, code, customer, worth, param)
    most, used = code["max_redemptions"], code["times_redeemed"]
    code["times_redeemed"] = used + 1
    code["active"] = most is None or used + 1 < most
    objects.save(db, code)


def fits(db: Db, code: Json, customer: str | None, worth: Worth | None, param: str) -> None:
    """Raises ApiError where a code cannot be redeemed by a customer, or for what they buy; no `worth`: that shows later."""
    most, used = code["max_redemptions"], code["times_redeemed"]
    late = code["expires_at"] is not None and code["expires_at"] <= objects.now()
    if not code["active"] or late or (most is not None and used >= most):
        raise ApiError(
            "This promotion code has expired or is not active.", code="promotion_code_expired", param=param
        )
    if code["customer"] not in (None, customer):
        raise ApiError("This promotion code belongs to another customer.", param=param)
    if worth is not None:
        reached(code, worth, param)
    if code["restrictions"]["first_time_transaction"] and customer:
        objects.find(
            db, "customer", customer, lock=True
        )  # two first payments at once come one after the other
        if _has_paid(db, customer):
            raise ApiError(
                "This promotion code cannot be redeemed because the associated customer has prior transactions.",
                param=param,
            )


def reached(code: Json, worth: Worth, param: str) -> None:
    """Raises ApiError where what somebody buys is worth less than a code wants."""
    limits: Any = code["restrictions"]
    least, currency = limits["minimum_amount"], limits["minimum_amount_currency"]
    if least is None:
        return
    if worth.currency != currency:
        option = (limits.get("currency_options") or {}).get(worth.currency)
        if option is None:
            raise ApiError(f"This promotion code cannot be redeemed in {worth.currency}.", param=param)
        least = option["minimum_amount"]
    if worth.amount < least:
        raise ApiError(
            "This promotion code cannot be redeemed because the minimum amount of "
            f"{money.said(least, worth.currency)} has not been reached.",
            param=param,
        )


def _has_paid(db: Db, customer: str) -> bool:
    """Whether a customer has paid before: with a payment, or an invoice elsewhere."""
    paid: list[tuple[str, Json]] = [
        ("payment_intent", {"status": "succeeded"}),
        ("charge", {"status": "succeeded"}),
        ("invoice", {"paid_out_of_band": True}),
    ]
    return any(objects.where(db, kind, customer=customer, limit=1, **about) for kind, about in paid)
