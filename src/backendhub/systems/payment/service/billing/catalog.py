"""Products and their prices: once or recurring, by unit or in tiers, in several currencies."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from .pricing import plain, whole

PRODUCT = resources.declare(
    resources.Resource(
        "product",
        "prod",
        "/v1/products",
        index=("active", "shippable", "url", "type", "id"),
        search=("active", "description", "name", "shippable", "url"),
        expand={"default_price": "price", "tax_code": "tax_code"},
    )
)
PRICE = resources.declare(
    resources.Resource(
        "price",
        "price",
        "/v1/prices",
        index=("active", "currency", "product", "type", "lookup_key", "recurring.interval", "recurring.usage_type", "recurring.meter"),
        search=("active", "currency", "lookup_key", "product", "type"),
        expand={"product": "product"},
        include={
            "tiers": lambda db, price: _details(db, price)["tiers"],
            "currency_options": lambda db, price: _options(db, price),
        },
    )
)  # fmt: skip
DETAILS = resources.declare(resources.Resource("price.details", metadata=False, tells=False))
"""What a price sends only when it is asked for: tiers and other currencies."""
PRODUCT_DEFAULTS: Json = {
    "active": True,
    "default_price": None,
    "description": None,
    "images": [],
    "marketing_features": [],
    "package_dimensions": None,
    "shippable": None,
    "statement_descriptor": None,
    "tax_code": None,
    "type": "service",
    "unit_label": None,
    "url": None,
}
MAX_PERIODS = {"day": 1095, "week": 156, "month": 36, "year": 3}
MONEY = ("unit_amount", "unit_amount_decimal", "tiers", "custom_unit_amount", "tax_behavior")


# -- products ----------------------------------------------------------------------------------------------


def create_product(db: Db, params: Json) -> Json:
    """Make a product, with its default price where one is given."""
    given = {k: v for k, v in params.items() if k not in ("id", "default_price_data")}
    given["updated"] = objects.now()
    product = objects.make(db, "product", PRODUCT_DEFAULTS | given, id=params.get("id"))
    events.emit(db, "product.created", product)
    if first := params.get("default_price_data"):
        made = create_price(db, first | {"product": product["id"]})
        product = objects.save(db, product | {"default_price": made["id"]})
    return product


def edit_product(db: Db, id: str, params: Json) -> Json:
    """Change a product."""
    old = objects.get(db, "product", id, lock=True)
    if params.get("default_price"):
        price = objects.get(db, "price", params["default_price"], param="default_price")
        if price["product"] != id:
            raise ApiError(
                f"The price specified is not associated with the product {id}.", param="default_price"
            )
    fresh = objects.save(db, objects.changed(old, params) | {"updated": objects.now()})
    events.updated(db, "product.updated", old, fresh)
    return fresh


def delete_product(db: Db, id: str, params: Json) -> Json:
    """Delete a product that has no prices."""
    old = objects.get(db, "product", id, lock=True)
    if objects.where(db, "price", product=id, limit=1):
        raise ApiError(
            "This product cannot be deleted because it has one or more user-created prices. Set it to inactive instead."
        )
    events.emit(db, "product.deleted", old)
    return objects.delete(db, "product", id)


# -- prices ------------------------------------------------------------------------------------------------


def create_price(db: Db, params: Json) -> Json:
    """Make a price of a product, which may be made along (`product_data`)."""
    recurring = _recurring(params.get("recurring"))
    amounts = _amounts(params, params.get("tiers_mode"))
    product = _product_of(db, params)
    price: Json = {
        "active": params.get("active", True),
        "billing_scheme": "tiered" if params.get("tiers") else "per_unit",
        "currency": params["currency"],
        "custom_unit_amount": amounts["custom_unit_amount"],
        "lookup_key": _free_key(db, params),
        "metadata": params.get("metadata") or {},
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": recurring,
        "tax_behavior": amounts["tax_behavior"],
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount": amounts["unit_amount"],
        "unit_amount_decimal": amounts["unit_amount_decimal"],
    }
    if params.get("billing_scheme") == "tiered" and not params.get("tiers"):
        raise ApiError("You must provide `tiers` when `billing_scheme` is `tiered`.", param="tiers")
    made = objects.make(db, "price", price)
    options = _options_of(params, params["currency"], params.get("tiers_mode"))
    objects.make(db, "price.details", {"tiers": amounts["tiers"], "options": options}, id=made["id"])
    events.emit(db, "price.created", made)
    return made


def edit_price(db: Db, id: str, params: Json) -> Json:
    """Change what does not change an amount; other currencies may be added."""
    old = objects.get(db, "price", id, lock=True)
    given = {k: v for k, v in params.items() if k not in ("currency_options", "transfer_lookup_key")}
    if given.get("tax_behavior") and old["tax_behavior"] not in ("unspecified", given["tax_behavior"]):
        raise ApiError("You cannot change `tax_behavior` once it is set.", param="tax_behavior")
    if given.get("lookup_key") and given["lookup_key"] != old["lookup_key"]:
        _free_key(db, params)
    if params.get("currency_options"):
        details = objects.get(db, "price.details", id, lock=True)
        more = _options_of(params, old["currency"], old["tiers_mode"])
        objects.save(db, details | {"options": details["options"] | more})
    fresh = objects.save(db, objects.changed(old, given))
    events.updated(db, "price.updated", old, fresh)
    return fresh


def priced(db: Db, price: Json, currency: str | None = None) -> Json:
    """A price with its tiers, in a currency that it has. Raises ApiError."""
    details = _details(db, price)
    if currency is None or currency == price["currency"]:
        return price | {"tiers": _tiers_of(details, price)}
    if currency not in details["options"]:
        raise ApiError(
            f"The price specified only supports `{price['currency']}`. This doesn't match the expected currency: `{currency}`.",
            param="currency",
        )
    told: Json = details["options"][currency]
    return price | told | {"currency": currency}


def sold(db: Db, prices: Sequence[Json]) -> dict[str, tuple[Json, str]]:
    """Prices by id with their tiers, and what their products are called, all read at once."""
    details = objects.many(db, "price.details", [price["id"] for price in prices])
    products = objects.many(db, "product", [price["product"] for price in prices])
    told: dict[str, tuple[Json, str]] = {}
    for price in prices:
        tiers = _tiers_of(details[price["id"]], price) if price["id"] in details else None
        name = products.get(price["product"], {}).get("name", price["product"])
        told[price["id"]] = price | {"tiers": tiers}, str(name)
    return told


def _tiers_of(details: Json, price: Json) -> Any:
    """The tiers of a price in the currency that it is shown in."""
    return (details["options"].get(price["currency"]) or details)["tiers"]


def usable(db: Db, id: str, *, param: str, currency: str | None = None) -> Json:
    """An active price by its id. Raises ApiError."""
    price = objects.get(db, "price", id, param=param)
    if not price["active"]:
        raise ApiError("The price specified is inactive. This field only accepts active prices.", param=param)
    return priced(db, price, currency)


def inline(db: Db, given: Json, *, param: str) -> Json:
    """The price that `price_data` describes; it is made, but is offered to nobody else. Raises ApiError."""
    if (given.get("unit_amount") is None) == (given.get("unit_amount_decimal") is None):
        raise ApiError(
            "You must provide exactly one of `unit_amount` or `unit_amount_decimal`.",
            param=f"{param}[unit_amount]",
        )
    made = create_price(db, given | {"active": False})
    return priced(db, made)


def kept(price: Json) -> Json:
    """A price as other objects show it."""
    return {k: v for k, v in price.items() if k != "tiers"}


def _product_of(db: Db, params: Json) -> str:
    if data := params.get("product_data"):
        return str(create_product(db, data)["id"])
    if not params.get("product"):
        raise ApiError(
            "You must provide either `product` or `product_data`.", code="parameter_missing", param="product"
        )
    return str(objects.get(db, "product", params["product"], param="product", lock=True)["id"])


def _recurring(given: Json | None) -> Json | None:
    if given is None:
        return None
    count = given.get("interval_count", 1)
    if count > MAX_PERIODS[given["interval"]]:
        raise ApiError("A billing period can be up to three years.", param="recurring[interval_count]")
    usage = given.get("usage_type", "licensed")
    if (usage == "metered") != (given.get("meter") is not None):
        raise ApiError(
            "A metered price needs a meter, and only a metered price has one.", param="recurring[meter]"
        )
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": given.get("meter"),
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": usage,
    }


def _amounts(given: Json, mode: str | None) -> Json:
    """Amounts as they are kept: whole where they are whole, and as decimals. Raises ApiError."""
    tiers = given.get("tiers")
    custom: Json = given.get("custom_unit_amount") or {}
    named = [n for n in ("unit_amount", "unit_amount_decimal", "tiers") if given.get(n) is not None]
    if custom.get("enabled"):
        named.append("custom_unit_amount")
    if len(named) != 1:
        raise ApiError(
            "You must provide exactly one of `unit_amount`, `unit_amount_decimal`, `custom_unit_amount` or `tiers`.",
            code="parameter_missing" if not named else None,
            param=named[1] if named else "unit_amount",
        )
    told: Json = dict.fromkeys(MONEY)
    told["tax_behavior"] = given.get("tax_behavior") or "unspecified"
    if tiers:
        if mode is None:
            raise ApiError(
                "Missing required param: tiers_mode.", code="parameter_missing", param="tiers_mode"
            )
        told["tiers"] = _tiers(tiers)
    elif named == ["custom_unit_amount"]:
        told["custom_unit_amount"] = {k: custom.get(k) for k in ("maximum", "minimum", "preset")}
    else:
        told |= _decimals("unit_amount", given)
    return told


def _decimals(name: str, given: Json) -> Json:
    """An amount in both forms; the whole one is None where there is a fraction."""
    value = given.get(name) if given.get(name) is not None else given.get(f"{name}_decimal")
    if value is None:
        return {name: None, f"{name}_decimal": None}
    exact = Fraction(value)
    if exact < 0:
        raise ApiError("Invalid non-negative integer", code="parameter_invalid_integer", param=name)
    return {name: whole(exact) if exact.denominator == 1 else None, f"{name}_decimal": plain(exact)}


def _tiers(given: list[Json]) -> list[Json]:
    """Tiers in their order, the last without an end. Raises ApiError."""
    found: list[Json] = []
    below = 0
    for n, tier in enumerate(given):
        last = n == len(given) - 1
        top = None if tier["up_to"] == "inf" else tier["up_to"]
        if (top is None) != last or (top is not None and top <= below):
            raise ApiError("Tiers go upwards, and the last of them is `inf`.", param=f"tiers[{n}][up_to]")
        found.append(_decimals("flat_amount", tier) | _decimals("unit_amount", tier) | {"up_to": top})
        below = top or below
    return found


def _options_of(params: Json, own: str, mode: str | None) -> dict[str, Json]:
    """Amounts in other currencies than a price's own. Raises ApiError."""
    given: dict[str, Json] = params.get("currency_options") or {}
    if own in given:
        raise ApiError(
            f"The currency of the price ({own}) does not belong into `currency_options`.",
            param=f"currency_options[{own}]",
        )
    return {code: _amounts(each, mode) for code, each in given.items()}


def _free_key(db: Db, params: Json) -> str | None:
    """The lookup key that a price wants; `transfer_lookup_key` takes it from the one that has it. Raises ApiError."""
    key: str | None = params.get("lookup_key")
    if key is None:
        return None
    objects.alone(db, f"lookup key {key}")
    for other in objects.where(db, "price", lookup_key=key, limit=1):
        if not params.get("transfer_lookup_key"):
            raise ApiError(
                f"A price (`{other['id']}`) already uses that lookup key. If you want to transfer it, set "
                "`transfer_lookup_key` to true.",
                param="lookup_key",
            )
        objects.save(db, other | {"lookup_key": None})
    return key


def _details(db: Db, price: Json) -> Json:
    return objects.find(db, "price.details", price["id"]) or {"tiers": None, "options": {}}


def _options(db: Db, price: Json) -> Json:
    """Every currency of a price, its own too."""
    details = _details(db, price)
    own = {k: price.get(k) for k in MONEY if k != "tiers"}
    told = {price["currency"]: own} | details["options"]
    return {c: {k: v for k, v in each.items() if k != "tiers"} for c, each in told.items()}
