"""A small shop to test with: one region with tax on top, one product, one place of stock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import checks, clock, reservation
from backendhub.kit.db import Db, connect
from backendhub.kit.hub import Hub
from backendhub.systems.shop import demo
from backendhub.systems.shop import store as statements
from backendhub.systems.shop.models import Cart, Location, Product, Region, ShippingOption, Variant
from backendhub.systems.shop.service import carts, catalogue, payments, regions, stock

ADDRESS = {"first_name": "Maya", "address_1": "18 Juniper St", "city": "Portland", "country_code": "us"}


@dataclass
class House:
    """What the small shop is made of."""

    region: Region
    place: Location
    shipping: ShippingOption
    product: Product
    variant: Variant

    def cart(self, db: Db, quantity: int = 1, *, pay: bool = True, codes: tuple[str, ...] = ()) -> Cart:
        """A cart that could be completed."""
        cart = carts.add(db, self.region)
        carts.put(db, cart, self.variant, quantity)
        cart = carts.set_email(db, cart, "maya@mail.example")
        cart = carts.set_address(db, cart, "shipping_address", ADDRESS)
        cart = carts.set_shipping(db, cart, self.shipping.id)
        if codes:
            cart = carts.set_codes(db, cart, codes)
        if pay:
            payments.start(db, payments.collect(db, cart.id).id, provider=payments.SYSTEM)
        return carts.get(db, cart.id)


def build(db: Db, pieces: int = 10) -> House:
    """The small shop, with so many pieces."""
    region = regions.add(db, name="US", currency_code="USD", countries=["us"])
    regions.set_tax(db, country_code="us", rate="10", name="Tax")
    place = regions.add_location(db, name="Here")
    shipping = regions.add_shipping(db, name="Standard", code="standard", prices={"USD": 500})
    product = catalogue.add(db, title="Mug", status="published", description="Stoneware, 350 ml")
    variant = catalogue.add_variant(db, product.id, title="Blue", sku="MUG-B", amounts=[("USD", 2000)])
    stock.set_level(db, variant, place.id, pieces)
    return House(region, place, shipping, product, variant)


def report(db: Db) -> checks.Report:
    """Every invariant of the shop and its stock."""
    return checks.run(db, [*reservation.CHECKS, *statements.CHECKS])


def broken(db: Db) -> list[Any]:
    """The invariants that do not hold."""
    return [c for c in report(db).checks if not c.ok]


@pytest.fixture
def house(db: Db, frozen: Callable[[str], None]) -> House:
    return build(db)


@pytest.fixture(scope="session")
def _samples(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """The sample shop as a file, made once as of the held clock and once as of now: tests copy it."""
    known: dict[bool, Path] = {}

    def get(held: bool) -> Path:
        if held not in known:
            path = tmp_path_factory.mktemp("shop") / "sample.db"
            store = connect(str(path))
            store.use("shop")
            with clock.frozen("2026-01-05T09:00:00Z") if held else nullcontext():
                store.unit(demo.load)
            store.close()
            known[held] = path
        return known[held]

    return get


@pytest.fixture
def sample(hub: Hub, request: pytest.FixtureRequest, _samples: Callable[[bool], Path]) -> Hub:
    """The hub of a shop with the sample in it."""
    shutil.copy(_samples("frozen" in request.fixturenames), hub.settings.get("database") or "")
    return hub


@pytest.fixture
def tools() -> Any:
    """`build` and `broken`, for tests with stores of their own."""

    class Tools:
        build = staticmethod(build)
        broken = staticmethod(broken)
        address = ADDRESS

    return Tools
