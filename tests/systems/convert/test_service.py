from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import clock, rates
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.systems.convert import catalogue, custom, demo
from backendhub.systems.convert.models import Style
from backendhub.systems.convert.service import Converter, NeedsStore


def convert(*words, db=None, **options):
    return Converter(db, **options).answer(list(words))


def one(*words, **options):
    return convert(*words, **options)[0].result


@pytest.mark.parametrize(
    "words",
    [
        ["5", "km", "mi"],
        ["5", "km", "to", "mi"],
        ["5km", "mi"],
        ["5 km to mi"],
        ["5", "km", "->", "mi"],
        ["5", "kilometres", "into", "miles"],
        ["5", "KM", "MI"],
    ],
)
def test_ways_to_ask_the_same(words, db):
    assert one(*words, db=db) == "3.106855961"


@pytest.mark.parametrize("text", ["5 ft 11 in", "5ft11in", "5ft 11in", "5'11\"", "5′11″", "5 feet 11 inches"])
def test_compound_input(text, db):
    assert one(text, "cm", db=db) == one(text, "to", "cm", db=db) == "180.34"


def test_a_minus_is_for_the_whole_compound_quantity():
    assert one("-5 ft 11 in", "cm") == "-180.34"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["100", "kg", "lb;oz"], [("220", "lb"), ("7.396194958", "oz")]),
        (["180.34", "cm", "ft;in"], [("5", "ft"), ("11", "in")]),
        (["-71", "in", "ft;in"], [("-5", "ft"), ("11", "in")]),
        (["-11", "in", "ft;in"], [("-0", "ft"), ("11", "in")]),
        (["1", "day", "h;min;s"], [("24", "h"), ("0", "min"), ("0", "s")]),
        (["100", "kg", "lb; oz"], [("220", "lb"), ("7.396194958", "oz")]),
        (["0.5", "rad", "deg;arcmin"], [("28", "°"), ("38.87338539", "arcmin")]),
    ],
)
def test_compound_output(words, parts):
    assert [tuple(p) for p in convert(*words)[0].parts] == parts


def test_a_last_part_that_rounds_up_to_a_whole_carries():
    found = convert("5.99999", "ft", "ft;in", style=Style(decimals=1))[0]
    assert [tuple(p) for p in found.parts] == [("6", "ft"), ("0.0", "in")]


@given(st.integers(-(10**6), 10**6), st.integers(1, 1000))
def test_compound_output_is_worth_the_input(num, den):
    found = convert(f"{num}/{den}", "m", "mi;yd;ft;in", style=Style(exact=True))[0]
    back = convert(" ".join(f"{p.value} {p.unit}" for p in found.parts), "m")[0]
    assert back.ratio == convert(f"{num}/{den}", "m", "m")[0].ratio


def test_several_targets():
    assert [c.result for c in convert("1", "mi", "km", "ft,yd")] == ["1.609344", "5280", "1760"]


def test_words_that_make_up_one_unit():
    assert one("8", "fl", "oz", "ml") == "236.5882365"
    assert one("1", "nautical", "mile", "km") == "1.852"
    assert one("1", "sq", "ft", "in2") == "144"
    assert one("2", "cubic", "metres", "to", "L") == "2000"
    assert one("1 1/2", "cups", "tbsp") == "24"


def test_options():
    assert one("5", "km", "mi", style=Style(precision=3)) == "3.11"
    assert one("5", "km", "mi", style=Style(decimals=4)) == "3.1069"
    assert one("5", "km", "mi", style=Style(exact=True)) == "78125/25146"
    assert one("1", "in", "cm", style=Style(exact=True)) == "2.54"
    assert one("10", "C", "F", delta=True) == "18"
    for style in (Style(1, 1), Style(0), Style(1001), Style(None, -1), Style(None, 1001)):
        with pytest.raises(Invalid):
            Converter(None, style=style)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["5", "kg", "m"], "convert list"),
        (["5", "oz", "mL"], "did you mean floz"),
        (["5", "oz", "floz"], "mass vs volume"),
        (["5", "lb", "N"], "lbf"),
        (["5", "kW", "MJ"], "kWh"),
        (["5", "Nm", "J"], "energy vs torque"),
        (["5", "ton", "kg"], "short_ton (us ton), long_ton (imperial ton), t (tonne)"),
        (["5", "kg", "TON"], "long_ton"),
        (["5", "mb", "kB"], "MB (megabyte)"),
        (["3", "FT", "KG"], "foot"),  # and not femtotesla to kilogauss
        (["3", "ft", "kg"], "convert list"),
        (["5", "metrs", "ft"], "did you mean metre"),
        (["5", "foo", "m"], "did you mean"),
        (["5", "m", "qqqq"], "convert list"),
        (["1,5", "m", "ft"], "write 1.5"),
        (["-300", "C", "K"], "--delta"),
        (["-1", "K", "C"], "--delta"),
        (["5", "km"], "convert 5 km mi"),
        (["5"], "convert 5 km mi"),
        (["km", "mi"], "convert 5 km mi"),
        ([""], "convert 5 km mi"),
        (["5", "km", "to"], "convert 5 km mi"),
        (["5", "C", "3", "F", "K"], "one value"),
        (["5", "C", "K;F"], "one value"),
        (["5", "mpg", "2", "mpg", "L/100km"], "one value"),
        (["5", "kg", "oz;lb"], "larger unit first"),
        (["5", "lb;oz", "kg"], None),
        (["5:30", "min", "s"], None),
        (["5", "km", ";"], None),
        (["1e501", "km", "m"], None),
        (["1", "*".join(["Qm^9"] * 30), "m"], None),
        (["0", "mpg", "L/100km"], None),
        (["5", "m/0", "m"], None),
        (["5", "m/", "m"], None),
    ],
)
def test_what_makes_no_sense_is_explained(words, hint, db):
    with pytest.raises(Invalid) as caught:
        convert(*words, db=db)
    assert hint is None or hint in (caught.value.hint or "")


def test_an_irrational_result_has_no_fraction():
    found = convert("180", "deg", "rad")[0]
    assert found.ratio is None and not found.exact and found.as_json()["fraction"] is None
    assert convert("1", "rad", "mrad")[0].ratio == (1000, 1)  # pi cancels out
    for style in (Style(exact=True), Style(precision=101), Style(decimals=200)):
        with pytest.raises(Invalid):
            convert("180", "deg", "rad", style=style)


def test_the_store_is_only_asked_for_names_that_are_not_in_the_table():
    with pytest.raises(NeedsStore):
        convert("5", "smoot", "m")
    with pytest.raises(NeedsStore):
        convert("5", "EUR", "USD")
    assert one("15", "kWh/100km", "mi/kWh") == "4.142474615"


def test_json_shape():
    assert convert("5", "km", "mi")[0].as_json() == {
        "value": "5",
        "from": "km",
        "to": "mi",
        "result": "3.106855961",
        "fraction": "78125/25146",
        "exact": False,
        "category": "length",
    }


def test_users_units(db):
    smoot = custom.add(db, name="smoot", definition=["=", "67", "in"])
    assert (smoot.category, smoot.num, smoot.den) == ("length", "8509", "5000")
    assert one("3", "smoot", "ft", db=db) == "16.75"
    assert one("3", "Smoot", "ft", db=db) == "16.75"
    custom.add(db, name="bridge", definition=["364", "smoot", "1", "ft"])
    assert one("1", "bridge", "smoot", db=db) == "364.1791045"
    custom.add(db, name="slow", definition=["2", "smoot/h"])
    assert one("1", "slow", "smoot/day", db=db) == "48"
    custom.add(db, name="bend", definition=["90", "deg"])
    assert one("4", "bend", "turn", db=db) == "1"
    assert [u.name for u in custom.find_all(db)] == ["bend", "bridge", "slow", "smoot"]
    with pytest.raises(Conflict):
        custom.add(db, name="smoot", definition=["1", "m"])
    custom.remove(db, "smoot")
    with pytest.raises(NotFound):
        custom.remove(db, "smoot")
    assert one("1", "bridge", "m", db=db)  # keeps what it was worth


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("km", ["3", "m"]),
        ("kilometre", ["3", "m"]),
        ("EUR", ["3", "m"]),
        ("5x", ["3", "m"]),
        ("a_b", ["3", "m"]),
        ("", ["3", "m"]),
        ("to", ["3", "m"]),
        ("x" * 33, ["3", "m"]),
        ("foo", []),
        ("foo", ["="]),
        ("foo", ["3"]),
        ("foo", ["3", "C"]),
        ("foo", ["0", "m"]),
        ("foo", ["-3", "m"]),
        ("foo", ["3", "EUR"]),
        ("foo", ["3", "foo"]),
        ("foo", ["3", "ft", "2", "kg"]),
        ("foo", ["1", "deg", "1", "rad"]),
    ],
)
def test_units_that_cannot_be(db, name, definition):
    with pytest.raises(Invalid):
        custom.add(db, name=name, definition=definition)


def test_currencies_convert_at_dated_rates(db):
    with clock.frozen("2026-03-01T00:00:00Z"):
        with pytest.raises(NotFound) as caught:
            convert("5", "EUR", "USD", db=db)
        assert "EUR" in caught.value.message and "convert rate add EUR USD" in caught.value.hint
        rates.add(db, base="EUR", quote="USD", rate="1.08", on=date(2026, 1, 2))
        rates.add(db, base="EUR", quote="USD", rate="1.10", on=date(2026, 2, 1))
        found = convert("100", "EUR", "USD", db=db)[0]
        assert (found.result, found.rate, found.rate_date) == ("110", "1.1", "2026-02-01")
        assert found.category == "currency"
        assert one("100", "EUR", "USD", db=db, on=date(2026, 1, 15)) == "108"
        assert one("108", "usd", "€", db=db, on=date(2026, 1, 15)) == "100"
        with pytest.raises(NotFound):
            convert("100", "EUR", "USD", db=db, on=date(2025, 1, 1))
        with pytest.raises(Invalid):
            convert("100", "EUR", "kg", db=db)


def test_catalogue(db):
    names = {c.category: c for c in catalogue.categories(db)}
    assert {"length", "temperature", "fuel economy", "currency"} <= set(names) and "custom" not in names
    assert {row.symbol for row in catalogue.listed(db, "Temperature")} >= {"C", "F", "K", "R"}
    custom.add(db, name="smoot", definition=["67", "in"])
    rates.add(db, base="EUR", quote="USD", rate="1.08")
    assert [row.symbol for row in catalogue.listed(db, "custom")] == ["smoot"]
    assert [row.symbol for row in catalogue.listed(db, "currency")] == ["EUR", "USD"]
    with pytest.raises(Invalid) as caught:
        catalogue.listed(db, "lenght")
    assert caught.value.hint == "did you mean length?"


def test_the_sample(db):
    assert demo.load(db) == 5 and demo.load(db) == 0
    assert one("1", "marathon", "mi", db=db) == "26.21875746"
