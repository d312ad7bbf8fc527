"""Discounts: what came of coupons and promotion codes that somebody has redeemed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import codes, periods
from .codes import Worth
from .times import living
from .totals import Off

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
NAMES = ("coupon", "promotion_code", "discount")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request names: a coupon, by itself or by a promotion code; or a discount that is kept."""

    coupon: Json | None = None
    code: Json | None = None
    kept: Json | None = None


def chosen(db: Db, given: Sequence[Json] | None, *, param: str = "discounts") -> list[Chosen]:
    """What a request names, read at once and locked. Raises ApiError."""
    asked: list[tuple[str, str, str]] = []
    for n, each in enumerate(given or ()):
        named = [name for name in NAMES if each.get(name)]
        if len(named) != 1:
            raise ApiError("Give one of `coupon`, `promotion_code` and `discount`.", param=f"{param}[{n}]")
        asked.append((named[0], each[named[0]], f"{param}[{n}][{named[0]}]"))
    kept = _named(db, "discount", _those(asked, "discount"))
    typed = _named(db, "promotion_code", _those(asked, "promotion_code"))
    of_code = {id: str(code["promotion"]["coupon"]) for id, code in typed.items()}
    wanted = _those(asked, "coupon")
    wanted += [(of_code[id], where) for id, where in _those(asked, "promotion_code")]
    coupons = _named(db, "coupon", wanted, lock=True)
    typed |= objects.many(db, "promotion_code", typed, lock=True)  # after their coupons, as everywhere
    told: list[Chosen] = []
    for name, id, _ in asked:
        if name == "discount":
            told.append(Chosen(kept=kept[id]))
        elif name == "coupon":
            told.append(Chosen(coupons[id]))
        else:
            told.append(Chosen(coupons[of_code[id]], typed[id]))
    return told


def _those(asked: Sequence[tuple[str, str, str]], kind: str) -> list[tuple[str, str]]:
    return [(id, where) for name, id, where in asked if name == kind]


def _named(db: Db, kind: str, wanted: Sequence[tuple[str, str]], *, lock: bool = False) -> dict[str, Json]:
    """Objects by id. Raises ApiError with the parameter for the first that is not there."""
    found = objects.many(db, kind, [id for id, _ in wanted], lock=lock)
    for id, where in wanted:
        if id not in found or found[id].get("deleted"):
            found[id] = objects.get(db, kind, id, param=where, lock=lock)
    return found


def redeem(
    db: Db,
    given: Sequence[Json] | None,
    *,
    worth: Worth | None = None,
    start: int | None = None,
    **who: Any,
) -> list[str]:
    """Discounts of the coupons that a request names, in its order, for whom it says; each counts. `{"discount": id}` keeps one
    as it is. `worth` is what is bought; without it, promotion codes ask for it later (see `reached`).

    Raises ApiError where a coupon is used up or a code is not for this.
    """
    made: list[str] = []
    for n, each in enumerate(chosen(db, given)):
        where = f"discounts[{n}]"
        if each.kept is not None:
            if each.kept.get("customer") not in (None, who.get("customer")):
                raise ApiError("This discount belongs to another customer.", param=f"{where}[discount]")
            made.append(each.kept["id"])
            continue
        assert each.coupon is not None
        _count(db, each.coupon, where)
        if each.code is not None:
            codes.count(db, each.code, who.get("customer"), worth, where)
        made.append(_made(db, each.coupon, each.code, objects.now() if start is None else start, who)["id"])
    return made


def _made(db: Db, coupon: Json, code: Json | None, begin: int, who: Json) -> Json:
    months = coupon["duration_in_months"]
    end = periods.boundary(begin, "month", months, 1) if coupon["duration"] == "repeating" else None
    about: Json = {
        "end": end,
        "promotion_code": code["id"] if code is not None else None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": begin,
    }
    discount = objects.make(db, "discount", WHO | who | about)
    if who.get("customer") and (who.get("subscription") or not who.get("invoice")):
        events.emit(db, "customer.discount.created", discount)
    return discount


def _count(db: Db, coupon: Json, param: str) -> None:
    """Counts a redemption; the row is locked. A coupon that is named twice counts twice."""
    most, used = coupon["max_redemptions"], coupon["times_redeemed"]
    late = coupon["redeem_by"] is not None and coupon["redeem_by"] <= objects.now()
    if not coupon["valid"] or late or (most is not None and used >= most):
        raise ApiError(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    coupon["times_redeemed"] = used + 1
    coupon["valid"] = most is None or used + 1 < most
    objects.save(db, coupon)


def reached(db: Db, discounts: Iterable[str], worth: Worth) -> None:
    """Raises ApiError where a promotion code among discounts wants more to be bought."""
    found = objects.many(db, "discount", discounts)
    wanted = [each["promotion_code"] for each in found.values() if each["promotion_code"]]
    for code in objects.many(db, "promotion_code", wanted).values():
        codes.reached(code, worth, "discounts")


# -- what they take off ------------------------------------------------------------------------------------


def offs(db: Db, discounts: Iterable[str], currency: str) -> dict[str, Off]:
    """Discounts by id as the arithmetic takes them; those whose amount is of another currency do nothing."""
    found = objects.many(db, "discount", discounts)
    coupons = _coupons(db, found.values())
    told: dict[str, Off] = {}
    for id, discount in found.items():
        coupon = coupons.get(discount["source"]["coupon"])
        if coupon is not None and (off := off_of(id, coupon, currency)) is not None:
            told[id] = off
    return told


def _coupons(db: Db, discounts: Iterable[Json]) -> dict[str, Json]:
    """The coupons of discounts, deleted ones as they were: what was given stays."""
    rows = objects.rows(db, "coupon", [each["source"]["coupon"] for each in discounts])
    return {row.name: row.data for row in rows}


def off_of(id: str, coupon: Json, currency: str) -> Off | None:
    """A coupon as the arithmetic takes it."""
    products = tuple((coupon.get("applies_to") or {}).get("products") or ())
    if coupon["percent_off"] is not None:
        return Off(id, percent=Fraction(str(coupon["percent_off"])), products=products)
    return Off(id, amount=coupon["amount_off"], products=products) if coupon["currency"] == currency else None


# -- how they end ------------------------------------------------------------------------------------------


def lasting(db: Db, discounts: Iterable[str], moment: int) -> list[str]:
    """The discounts that are still there in a period which begins at a moment: not those for once, nor those that ended."""
    found = objects.many(db, "discount", discounts)
    coupons = _coupons(db, found.values())
    kept: list[str] = []
    for id, discount in found.items():
        coupon = coupons.get(discount["source"]["coupon"])
        once = coupon is not None and coupon["duration"] == "once"
        if not once and (discount["end"] is None or discount["end"] > moment):
            kept.append(id)
        else:
            fresh = objects.save(db, discount | {"end": discount["end"] or moment})
            events.emit(db, "customer.discount.deleted", fresh)
    return kept


def delete(db: Db, id: str, params: Json) -> Json:
    """Take the discounts off a subscription: the periods to come cost the whole price."""
    old = objects.get(db, "subscription", id, lock=True)
    if not old["discounts"]:
        raise ApiError(f"No active discount for subscription: {id}", code="resource_missing", status=404)
    with living(db, old):
        now = objects.now()
        ended = [objects.get(db, "discount", each) | {"end": now} for each in old["discounts"]]
        objects.save_many(db, "discount", ended)
        for each in ended:
            events.emit(db, "customer.discount.deleted", each)
        fresh = objects.save(db, old | {"discounts": []})
        events.updated(db, "customer.subscription.updated", old, fresh)
    return ended[0] | {"deleted": True}


def give_back(db: Db, discounts: Sequence[str]) -> None:
    """Takes back redemptions that came to nothing."""
    found = objects.many(db, "discount", discounts).values()
    used = {
        "coupon": [each["source"]["coupon"] for each in found],
        "promotion_code": [each["promotion_code"] for each in found if each["promotion_code"]],
    }
    for kind, ids in used.items():
        flag = "valid" if kind == "coupon" else "active"
        for each in objects.many(db, kind, ids, lock=True).values():
            if each.get("deleted"):
                continue
            most, before = each["max_redemptions"], each["times_redeemed"]
            spent = most is not None and before >= most
            objects.save(
                db, each | {"times_redeemed": before - ids.count(each["id"]), flag: each[flag] or spent}
            )
