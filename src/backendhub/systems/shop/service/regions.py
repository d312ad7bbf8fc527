"""Regions, countries, tax rates, shipping options, places of stock, and publishable keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import currency, ratio
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Country, Key, Location, Region, ShippingOption, TaxRate

from .naming import country, metadata, new, stamps

# -- regions -----------------------------------------------------------------------------------------------


def add(
    db: Db,
    *,
    name: str,
    currency_code: str,
    countries: Iterable[str] = (),
    tax_inclusive: bool = False,
    metadata_: dict[str, Any] | None = None,
) -> Region:
    """Makes a region of some countries; a country is in one region at a time. Raises Invalid."""
    made = db.insert(
        Region,
        "shop_region",
        id=new("reg"),
        name=name,
        currency=currency(currency_code),
        tax_inclusive=tax_inclusive,
        metadata=metadata(metadata_),
        **stamps(),
    )
    db.run_many(store.PUT_COUNTRY, [{"iso2": country(c), "region_id": made.id} for c in countries])
    return made


def get(db: Db, id: str) -> Region:
    """A region. Raises NotFound."""
    found = db.one(Region, store.REGION, id=id)
    if found is None:
        raise NotFound(f"Region with id: {id[:80]} was not found")
    return found


def find(db: Db) -> list[Region]:
    """Every region."""
    return db.all(Region, store.REGIONS)


def resolve(
    db: Db, *, region_id: str | None = None, currency_code: str | None = None, country_code: str | None = None
) -> Region:
    """The region that is meant: by its id, a country, or a currency; the first one where nothing is said.

    Raises NotFound, Invalid.
    """
    if region_id:
        return get(db, region_id)
    found: Region | None = None
    if country_code:
        found = db.one(Region, store.REGION_OF_COUNTRY, country=country(country_code))
    if found is None and currency_code:
        found = db.one(Region, store.REGION_OF_CURRENCY, currency=currency(currency_code))
        if found is None:
            raise Invalid(f"Nothing is sold in {currency_code[:10]}.", field="currency_code")
    if found is None:
        found = next(iter(find(db)), None)
    if found is None:
        raise Conflict("The shop has no region yet.", hint="POST /admin/regions")
    return found


def countries(db: Db) -> dict[str, list[str]]:
    """The countries of each region."""
    found: dict[str, list[str]] = {}
    for each in db.all(Country, store.COUNTRIES):
        found.setdefault(each.region_id, []).append(each.iso2)
    return found


def countries_of(db: Db, region_id: str) -> list[str]:
    """The countries of one region."""
    return [each.iso2 for each in db.all(Country, store.COUNTRIES_OF, region_id=region_id)]


# -- taxes -------------------------------------------------------------------------------------------------


def set_tax(
    db: Db, *, country_code: str, rate: str, name: str = "Tax", province: str = "", code: str = ""
) -> TaxRate:
    """Says what tax there is in a country, or a province of it, in percent. Raises Invalid."""
    if not 0 <= ratio(rate) <= 100:
        raise Invalid("A tax is between 0 and 100 percent.", field="rate")
    where = country(country_code)
    assert where is not None
    given = TaxRate(where, province.lower(), rate, name, code or f"{where}-{name}".lower().replace(" ", "-"))
    db.run(
        store.PUT_TAX_RATE,
        country=given.country,
        province=given.province,
        rate=given.rate,
        name=given.name,
        code=given.code,
    )
    return given


def tax(db: Db, region: Region, address: Mapping[str, Any] | None) -> TaxRate | None:
    """The tax at an address; without one that of the region's only country. None is no tax, or not known yet."""
    where = str((address or {}).get("country_code") or "").lower()
    if not where:
        known = countries_of(db, region.id)
        if len(known) != 1:
            return None
        where = known[0]
    province = str((address or {}).get("province") or "").lower()
    return db.one(TaxRate, store.TAX_RATE, country=where, province=province)


def tax_rates(db: Db) -> list[TaxRate]:
    """Every tax rate."""
    return db.all(TaxRate, store.TAX_RATES)


# -- shipping ----------------------------------------------------------------------------------------------


class Offer(NamedTuple):
    """A shipping option and what it costs in a currency."""

    option: ShippingOption
    amount: int


def add_shipping(
    db: Db,
    *,
    name: str,
    code: str,
    prices: Mapping[str, int],
    countries: Sequence[str] = (),
    rank: int = 0,
    id: str | None = None,
) -> ShippingOption:
    """Makes a way to be shipped: its price in each currency, in minor units. Raises Invalid."""
    if any(amount < 0 for amount in prices.values()):
        raise Invalid("A price is not negative.", field="amount")
    made = db.insert(
        ShippingOption,
        "shop_shipping_option",
        id=id or new("so"),
        name=name,
        code=code,
        countries=[country(c) for c in countries],
        rank=rank,
        **stamps(),
    )
    db.run_many(
        store.PUT_SHIPPING_PRICE,
        [{"option_id": made.id, "currency": currency(c), "amount": amount} for c, amount in prices.items()],
    )
    return made


def shipping(db: Db, id: str) -> ShippingOption:
    """A shipping option. Raises NotFound."""
    found = db.one(ShippingOption, store.SHIPPING_OPTION, id=id)
    if found is None:
        raise NotFound(f"Shipping option with id: {id[:80]} was not found")
    return found


def all_shipping(db: Db) -> list[tuple[ShippingOption, dict[str, int]]]:
    """Every shipping option with its prices."""
    prices: dict[str, dict[str, int]] = {}
    for option, code, amount in db.fetch(store.PRICES_OF_SHIPPING, {}):
        prices.setdefault(option, {})[code] = amount
    return [(o, prices.get(o.id, {})) for o in db.all(ShippingOption, store.SHIPPING_OPTIONS)]


def offers(db: Db, *, currency: str, country_code: str | None) -> list[Offer]:
    """What is offered in a country: of each level the options that name it, or else those for everywhere."""
    where = (country_code or "").lower()
    prices = dict(db.fetch(store.SHIPPING_PRICES, {"currency": currency}))
    fit = [
        o
        for o in db.all(ShippingOption, store.SHIPPING_OPTIONS)
        if o.id in prices and (not o.countries or where in o.countries)
    ]
    named = {o.code for o in fit if o.countries}
    return [Offer(o, prices[o.id]) for o in fit if o.countries or o.code not in named]


# -- places of stock ---------------------------------------------------------------------------------------


def add_location(db: Db, *, name: str, address: dict[str, Any] | None = None) -> Location:
    """Makes a place where stock can be."""
    return db.insert(
        Location, "shop_location", id=new("sloc"), name=name, address=metadata(address), **stamps()
    )


def locations(db: Db) -> list[Location]:
    """Every place of stock, the oldest first."""
    return db.all(Location, store.LOCATIONS)


def location(db: Db, id: str) -> Location:
    """A place of stock. Raises NotFound."""
    found = db.one(Location, store.LOCATION, id=id)
    if found is None:
        raise NotFound(f"Stock location with id: {id[:80]} was not found")
    return found


# -- publishable keys --------------------------------------------------------------------------------------


def add_key(db: Db, *, title: str, token: str | None = None) -> Key:
    """Makes a publishable key."""
    return db.insert(
        Key,
        "shop_key",
        id=new("apk"),
        token=token or "pk_" + token_hex(32),
        title=title,
        created_at=clock.now(),
        revoked_at=None,
    )


def key(db: Db, token: str) -> Key | None:
    """The key with this token, unless it was taken back."""
    return db.one(Key, store.LIVE_KEY, token=token)


def keys(db: Db) -> list[Key]:
    """Every key."""
    return db.all(Key, store.KEYS)


def revoke_key(db: Db, id: str) -> Key:
    """Takes a key back. Raises NotFound."""
    found = db.one(Key, store.REVOKE_KEY, id=id, now=clock.now())
    if found is None:
        raise NotFound(f"There is no key {id[:80]} in use.")
    return found
