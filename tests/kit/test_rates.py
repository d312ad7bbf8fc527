from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from backendhub.kit import clock, rates
from backendhub.kit.db import Db, connect
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money

D = date.fromisoformat


@pytest.fixture(name="db")
def rates_db(tmp_path: Path) -> Iterator[Db]:
    store = connect(str(tmp_path / "hub.db"))
    with store.transaction() as db:
        yield db
    store.close()


def value(rate: rates.Rate | None) -> Fraction | None:
    return rate and Fraction(rate.num, rate.den)


def test_latest_not_after_the_day(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=D("2026-01-05"), source="ecb")
    rates.add(db, base="EUR", quote="USD", rate="1.10", on=D("2026-02-05"), source="ecb")
    assert rates.find(db, base="EUR", quote="USD", on=D("2026-01-04")) is None
    found = rates.find(db, base="eur", quote="usd", on=D("2026-02-04"))
    assert found == rates.Rate(D("2026-01-05"), "EUR", "USD", 27, 25, "ecb")
    assert found.decimal == "1.08"
    assert value(rates.find(db, base="EUR", quote="USD", on=D("2026-02-05"))) == Fraction("1.10")


def test_without_a_day_it_is_today(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=D("2026-01-05"))
    with clock.frozen("2026-01-04T12:00:00Z"):
        assert rates.find(db, base="EUR", quote="USD") is None
    with clock.frozen("2026-01-06T12:00:00Z"):
        assert rates.find(db, base="EUR", quote="USD") is not None


def test_same_day_is_replaced(db: Db) -> None:
    for text in ("1.08", "1.09"):
        rates.add(db, base="EUR", quote="USD", rate=text, on=D("2026-01-05"))
    assert [r.decimal for r in rates.find_all(db)] == ["1.09"]


def test_inverse_is_exact(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=D("2026-01-05"))
    assert value(rates.find(db, base="USD", quote="EUR", on=D("2026-01-05"))) == Fraction(25, 27)


def test_common_currency_is_exact_and_as_old_as_its_older_part(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=D("2026-01-05"), source="a")
    rates.add(db, base="EUR", quote="JPY", rate="160.5", on=D("2026-01-07"), source="b")
    found = rates.find(db, base="USD", quote="JPY", on=D("2026-01-09"))
    assert found is not None
    assert value(found) == Fraction("160.5") / Fraction("1.08")
    assert (found.date, found.source) == (D("2026-01-05"), "a, b via EUR")
    assert rates.find(db, base="USD", quote="GBP", on=D("2026-01-09")) is None


def test_direct_beats_common(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="2", on=D("2026-01-05"))
    rates.add(db, base="EUR", quote="JPY", rate="200", on=D("2026-01-05"))
    rates.add(db, base="USD", quote="JPY", rate="111", on=D("2026-01-01"))
    assert value(rates.find(db, base="USD", quote="JPY", on=D("2026-01-09"))) == 111


def test_a_currency_in_itself_is_one(db: Db) -> None:
    assert value(rates.find(db, base="EUR", quote="EUR", on=D("2026-01-05"))) == 1


@pytest.mark.parametrize("text", ["0", "-1", "nan", "1e3", "", "1/0", "1,08", "abc"])
def test_bad_rates_are_refused(db: Db, text: str) -> None:
    with pytest.raises(Invalid):
        rates.add(db, base="EUR", quote="USD", rate=text)


def test_bad_pairs_are_refused(db: Db) -> None:
    with pytest.raises(Invalid):
        rates.add(db, base="EUR", quote="EUR", rate="1")
    with pytest.raises(Invalid):
        rates.add(db, base="EUR", quote="XYZ", rate="1")


def test_remove_and_filter(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1/3", on=D("2026-01-05"))
    rates.add(db, base="GBP", quote="USD", rate="1.25/2", on=D("2026-01-05"))
    assert [(r.base, r.num, r.den) for r in rates.find_all(db)] == [("EUR", 1, 3), ("GBP", 5, 8)]
    assert [r.base for r in rates.find_all(db, base="gbp")] == ["GBP"]
    assert rates.remove(db, base="EUR", quote="USD", on=D("2026-01-05"))
    assert not rates.remove(db, base="EUR", quote="USD", on=D("2026-01-05"))


def test_convert_rounds_once_half_even() -> None:
    half = rates.Rate(D("2026-01-05"), "USD", "EUR", 1, 2, "t")
    assert [rates.convert(Money(m, "USD"), half).minor for m in (1, 3, 5, -1, -3, 4)] == [0, 2, 2, 0, -2, 2]
    yen = rates.Rate(D("2026-01-05"), "USD", "JPY", 150, 1, "t")
    assert rates.convert(Money(101, "USD"), yen) == Money(152, "JPY")  # 151.5 goes to the even 152
    with pytest.raises(Invalid):
        rates.convert(Money(1, "EUR"), yen)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A database of its own; skips where no server answers."""
    import psycopg

    server = os.environ.get("BACKENDHUB_TEST_POSTGRES", "postgresql:///postgres")
    try:
        admin = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip("no PostgreSQL server (BACKENDHUB_TEST_POSTGRES)")
    name = f"hub_rates_{os.getpid()}"
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield server.rsplit("/", 1)[0] + f"/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.postgres
def test_on_postgres(postgres_url: str) -> None:
    store = connect(postgres_url)
    with store.transaction() as db:
        for text in ("1.08", "1.09"):
            rates.add(db, base="EUR", quote="USD", rate=text, on=D("2026-01-05"))
        rates.add(db, base="EUR", quote="JPY", rate="160", on=D("2026-01-05"))
        assert [r.quote for r in rates.find_all(db)] == ["JPY", "USD"]
        assert [r.quote for r in rates.find_all(db, quote="USD")] == ["USD"]
        found = rates.find(db, base="USD", quote="JPY", on=D("2026-02-01"))
        assert value(found) == Fraction(160) / Fraction("1.09")
    store.close()
