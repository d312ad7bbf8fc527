"""A small house for cups, lamps and linen with two regions, two warehouses and a few orders, made through the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db

from .models import Location, Order, Region, Variant
from .service import (
    carts,
    catalogue,
    categories,
    checkout,
    fulfilment,
    payments,
    prices,
    promotions,
    regions,
    stock,
)

KEY = "pk_demo"
"""The publishable key of the demo."""


class Item(NamedTuple):
    """A product of the sample: `choices` are the values of its one option with dollars, euros and stock."""

    title: str
    category: str
    text: str
    option: str
    choices: Mapping[str, tuple[int, int, int]]
    tags: tuple[str, ...] = ()
    material: str = ""
    collection: str = ""


ITEMS = (
    Item("Harbour mug", "Cups", "Stoneware with a thumb rest, thrown by hand in Lisbon. Holds 350 ml; dishwasher safe.",
         "Glaze", {"Sea": (2400, 2200, 48), "Sand": (2400, 2200, 36), "Ink": (2600, 2400, 5)}, ("handmade", "gift"), "stoneware", "New"),
    Item("Espresso pair", "Cups", "Two thick-walled porcelain cups that keep a short coffee hot. Saucers included.",
         "Colour", {"White": (3200, 2900, 60), "Clay": (3400, 3100, 22)}, ("set",), "porcelain"),
    Item("Tall tea glass", "Cups", "Double-walled borosilicate glass: hot tea, cool fingers. 400 ml.",
         "Pack", {"One": (1800, 1650, 80), "Four": (6400, 5900, 25)}, ("glass",), "borosilicate glass"),
    Item("Serving bowl", "Tableware", "A wide bowl for salads and noodles, glazed inside and raw outside. 26 cm.",
         "Glaze", {"Moss": (5400, 4900, 14), "Sea": (5400, 4900, 9)}, ("handmade",), "stoneware"),
    Item("Oak board", "Tableware", "End-grain oak with a juice groove, oiled. 40 by 28 cm.",
         "Size", {"Medium": (6900, 6300, 30), "Large": (9400, 8600, 12)}, ("wood", "gift"), "oak"),
    Item("Desk lamp Arc", "Lamps", "A steel arm that stays where you leave it, a warm dimmable LED, two metres of cloth cable.",
         "Finish", {"Black": (14900, 13900, 18), "Brass": (16900, 15900, 7)}, ("light",), "steel", "New"),
    Item("Paper lantern", "Lamps", "Washi paper on bamboo, 45 cm across. Takes an E27 bulb, which is not included.",
         "Shape", {"Round": (5900, 5400, 40), "Oval": (5900, 5400, 33)}, ("light", "paper"), "washi paper"),
    Item("Linen throw", "Linen", "Stonewashed French linen with a fringe. 130 by 170 cm; softer with every wash.",
         "Colour", {"Oat": (8900, 8200, 26), "Rust": (8900, 8200, 19), "Slate": (8900, 8200, 0)}, ("linen", "gift"), "linen", "Autumn"),
    Item("Tea towels", "Linen", "Three half-linen towels with a woven stripe. They dry glasses without lint.",
         "Stripe", {"Blue": (2900, 2700, 90), "Red": (2900, 2700, 71)}, ("linen", "set"), "half linen", "Autumn"),
    Item("Waffle bathrobe", "Linen", "Light cotton waffle that dries overnight. Two pockets, one belt.",
         "Size", {"S": (11900, 10900, 8), "M": (11900, 10900, 15), "L": (11900, 10900, 11)}, ("cotton",), "cotton"),
)  # fmt: skip
ADDRESS = {
    "first_name": "Maya",
    "last_name": "Okafor",
    "address_1": "18 Juniper Street",
    "city": "Portland",
    "province": "OR",
    "postal_code": "97209",
    "country_code": "us",
}


def load(db: Db) -> int:
    """Adds the sample and says how many products and orders that were: 0 where there are products already."""
    if catalogue.find(db, limit=1, public=False).total:
        return 0
    if regions.key(db, KEY) is None:
        regions.add_key(db, title="Demo storefront", token=KEY)
    us, eu = _regions(db)
    east, west = regions.add_location(db, name="Portland"), regions.add_location(db, name="Rotterdam")
    variants = _products(db, east, west)
    _offers(db, variants)
    with clock.traveling(clock.now() - timedelta(days=6)):
        first = _order(db, us, variants, {"HARBOUR-MUG-SEA": 2, "OAK-BOARD-MEDIUM": 1}, "maya@mail.example")
        parcel = fulfilment.pack(db, first.id)
        label = {"tracking_number": "1Z0042", "tracking_url": "https://parcels.example/1Z0042"}
        fulfilment.ship(db, first.id, parcel.id, [label])
        payments.capture(db, payments.of_order(db, first.id)[0].id)
    with clock.traveling(clock.now() - timedelta(days=3)):
        fulfilment.deliver(db, first.id, parcel.id)
    with clock.traveling(clock.now() - timedelta(hours=5)):
        _order(db, us, variants, {"DESK-LAMP-ARC-BRASS": 1}, "maya@mail.example")
        berlin = {
            **ADDRESS,
            "city": "Berlin",
            "province": None,
            "country_code": "de",
            "postal_code": "10997",
        }
        _order(db, eu, variants, {"LINEN-THROW-OAT": 1, "TEA-TOWELS-BLUE": 2}, "jonas@mail.example", berlin)
    return len(ITEMS) + 3


def _regions(db: Db) -> tuple[Region, Region]:
    us = regions.add(db, name="United States", currency_code="USD", countries=["us"])
    eu = regions.add(
        db,
        name="Europe",
        currency_code="EUR",
        countries=["de", "fr", "nl", "at", "it", "es"],
        tax_inclusive=True,
    )
    for country, rate, name in (
        ("de", "19", "MwSt"),
        ("fr", "20", "TVA"),
        ("nl", "21", "BTW"),
        ("at", "20", "USt"),
        ("it", "22", "IVA"),
        ("es", "21", "IVA"),
    ):
        regions.set_tax(db, country_code=country, rate=rate, name=name)
    regions.set_tax(db, country_code="us", rate="0", name="Sales tax")
    regions.set_tax(db, country_code="us", province="wa", rate="6.5", name="Sales tax")
    regions.set_tax(db, country_code="us", province="ca", rate="7.25", name="Sales tax")
    regions.add_shipping(
        db, name="Standard, 3 to 5 days", code="standard", prices={"USD": 600, "EUR": 490}, rank=1
    )
    regions.add_shipping(
        db, name="Express, next day", code="express", prices={"USD": 1800}, countries=["us"], rank=2
    )
    regions.add_shipping(
        db, name="Express, 2 days", code="express", prices={"USD": 2900, "EUR": 1490}, rank=3
    )
    return us, eu


def _products(db: Db, east: Location, west: Location) -> dict[str, Variant]:
    tree: dict[str, str] = {}
    kitchen = categories.add(db, name="Kitchen", rank=1).id
    home = categories.add(db, name="Home", rank=2).id
    for rank, (name, parent) in enumerate(
        [("Cups", kitchen), ("Tableware", kitchen), ("Lamps", home), ("Linen", home)]
    ):
        tree[name] = categories.add(db, name=name, parent_id=parent, rank=rank).id
    groups = {title: categories.add_collection(db, title=title).id for title in ("New", "Autumn")}
    made: dict[str, Variant] = {}
    for item in ITEMS:
        product = catalogue.add(
            db,
            title=item.title,
            description=item.text,
            status="published",
            options={item.option: list(item.choices)},
            tags=item.tags,
            material=item.material,
            origin_country="pt",
            collection_id=groups.get(item.collection),
            category_ids=[tree[item.category]],
        )
        for rank, (value, (dollars, euros, count)) in enumerate(item.choices.items()):
            sku = f"{item.title}-{value}".upper().replace(" ", "-")
            made[sku] = variant = catalogue.add_variant(
                db,
                product.id,
                title=value,
                sku=sku,
                options={item.option: value},
                rank=rank,
                amounts=[("USD", dollars), ("EUR", euros)],
            )
            stock.set_level(db, variant, east.id, count - count // 3)
            stock.set_level(db, variant, west.id, count // 3)
    return made


def _offers(db: Db, variants: Mapping[str, Variant]) -> None:
    sale = prices.add_list(db, title="Autumn sale", type="sale", ends_at=clock.now() + timedelta(days=60)).id
    for sku, amounts in (
        ("LINEN-THROW-RUST", {"USD": 6900, "EUR": 6400}),
        ("PAPER-LANTERN-OVAL", {"USD": 4700, "EUR": 4300}),
    ):
        for code, amount in amounts.items():
            prices.put(db, variants[sku].id, currency_code=code, amount=amount, price_list_id=sale)
    for code, amount in (("USD", 2500), ("EUR", 2350)):
        prices.put(db, variants["TEA-TOWELS-BLUE"].id, currency_code=code, amount=amount, min_quantity=5)
    promotions.add(db, code="WELCOME10", kind="percentage", percent="10", label="10% off")
    promotions.add(db, code="FIVE", kind="fixed", amount=500, currency_code="USD", label="$5 off")
    promotions.add(
        db, code="FIRST20", kind="percentage", percent="20", label="20% for the first 20", usage_limit=20
    )
    promotions.add(
        db,
        code="FREESHIP",
        kind="free_shipping",
        automatic=True,
        min_subtotal=15000,
        label="Free shipping from 150",
    )


def _order(
    db: Db,
    region: Region,
    variants: Mapping[str, Variant],
    lines: Mapping[str, int],
    email: str,
    address: Mapping[str, Any] = ADDRESS,
) -> Order:
    cart = carts.add(db, region)
    for sku, quantity in lines.items():
        carts.put(db, cart, variants[sku], quantity)
    cart = carts.set_email(db, cart, email)
    cart = carts.set_address(db, cart, "shipping_address", address)
    carts.set_shipping(db, cart, carts.offers(db, cart)[0].option.id)
    collection = payments.collect(db, cart.id)
    payments.start(db, collection.id, provider=payments.SYSTEM)
    order = checkout.complete(db, cart.id).order
    assert order is not None
    return order
