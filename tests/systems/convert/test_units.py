from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.systems.convert import exact, units, words
from backendhub.systems.convert.models import Style
from backendhub.systems.convert.service import Converter

ENTRIES = units.index().entries
ALL = [units.unit(number) for number in range(len(ENTRIES))]
BY_CATEGORY = {
    name: [u for u in ALL if u.category == name] for name in dict.fromkeys(e.category for e in ENTRIES)
}


def through(number, source, target, way):
    """A number converted by the two halves of the service."""
    converter = Converter(None)
    base = converter._base(number, (source, target, way))
    return converter._in(base, source.pi * way, target)


def pairs():
    for category in BY_CATEGORY.values():
        yield from itertools.permutations(category, 2)


@pytest.mark.parametrize("category", list(BY_CATEGORY))
@settings(max_examples=15, deadline=None)
@given(num=st.integers(-(10**6), 10**6), den=st.integers(1, 10**6))
def test_there_and_back_is_the_identity_for_every_pair(category, num, den):
    for source, target in itertools.permutations(BY_CATEGORY[category], 2):
        way = units.relation(source, target)
        assert way, (source, target)
        number = exact.reduced(num, den)
        if way < 0:
            number = exact.reduced(abs(num) + 1, den)
        if category == "temperature":  # any number of kelvins that is not below zero
            number = exact.quotient(exact.add((abs(num), den), exact.negative(source.zero)), source.factor)
        there, irrational = through(number, source, target, way)
        back, _ = through(there, target, source, way)
        if irrational:  # pi is rounded to 120 digits
            gap = exact.add(back, exact.negative(number))
            assert abs(Fraction(*gap)) <= Fraction(abs(number[0]), number[1]) / 10**100
        else:
            assert back == number, (source.symbol, target.symbol)


def test_definitions_have_the_dimensions_of_their_category():
    for entry, unit in zip(ENTRIES, ALL, strict=True):
        body = entry.definition.partition(" + ")[0]
        _, _, dims = units.evaluate(body, units.builtin)
        pure = not any(c.isalpha() for c in body.replace("pi", "").replace("e", ""))
        assert dims == unit.dims or pure, entry


def test_every_number_in_a_definition_is_positive_or_delisle():
    assert [u.symbol for u in ALL if u.factor[0] <= 0] == ["De"]


def test_no_two_units_of_a_category_share_a_name():
    for category in BY_CATEGORY:
        for attribute in ("names", "uk"):
            names = [n for e in ENTRIES if e.category == category for n in getattr(e, attribute)]
            assert len(names) == len(set(names)), category


def test_what_names_are_mistaken_for_exists():
    finder = units.Units()
    for (name, category), meant in words.MEANT.items():
        assert finder.find(name), name
        assert any(u.category == category for u in finder.find(meant)), (name, meant)
    for choices in words.AMBIGUOUS.values():
        assert all(finder.find(choice) for choice in choices)
    for group in words.WHY:
        assert group <= set(BY_CATEGORY)


KNOWN = """
1 in cm = 2.54
1 ft m = 0.3048
1 yd m = 0.9144
1 mi km = 1.609344
1 nmi km = 1.852
5 km mi = 3.106855961
1 ly km = 9460730472580.8
1 au km = 149597870.7
1 pc au = 206264.8062
1 lb g = 453.59237
1 oz g = 28.349523125
1 st lb = 14
1 short_ton kg = 907.18474
1 long_ton kg = 1016.0469088
1 t kg = 1000
1 ozt g = 31.1034768
1 ct mg = 200
1 mg mcg = 1000
1 light-year pc = 0.3066013938
1 foot-pound J = 1.3558179483314004
5 m² ft² = 53.81955208
1 km^2 ha = 100
25 °C °F = 77
1 C mAh = 0.2777777778
0 C F = 32
100 C F = 212
-40 C F = -40
0 K C = -273.15
42 C F = 107.6
491.67 R C = 0
80 Re C = 100
100 De C = 33.33333333
60 Ro C = 100
1 acre m2 = 4046.8564224
1 ha acre = 2.471053815
1 mi2 acre = 640
1 gal L = 3.785411784
1 ukgal L = 4.54609
1 gal floz = 128
1 ukgal ukfloz = 160
1 cup mL = 236.5882365
1 floz mL = 29.5735295625
1 tbsp tsp = 3
1 bbl gal = 42
1 bu L = 35.23907016688
1 cm3 mL = 1
1 m3 L = 1000
1 d s = 86400
1 yr d = 365.25
1 century yr = 100
100 km/h mph = 62.13711922
1 kn km/h = 1.852
1 gn m/s2 = 9.80665
1 lbf N = 4.4482216152605
1 kgf N = 9.80665
1 atm Pa = 101325
1 atm psi = 14.69594878
760 Torr atm = 1
1 bar kPa = 100
29.92 inHg hPa = 1013.2074811900272
1 kWh MJ = 3.6
1 kcal kJ = 4.184
1 Cal kcal = 1
1 BTU J = 1055.05585262
1 eV J = 1.602176634e-19
1 ftlbf J = 1.3558179483314004
1 hp W = 745.69987158227022
1 PS W = 735.49875
1 lbft Nm = 1.3558179483314004
1 kgfm Nm = 9.80665
1 B b = 8
1 KiB B = 1024
1 MB MiB = 0.95367431640625
1 GB GiB = 0.931322574615478515625
1 TB GB = 1000
100 Mbps MB/s = 12.5
180 deg rad = 3.141592654
1 turn deg = 360
100 gon deg = 90
1 deg arcsec = 3600
60 rpm Hz = 1
1 rpm deg/s = 6
30 mpg L/100km = 7.840486111
7.840486111 L/100km mpg = 30
30 mpg km/L = 12.75431122
40 ukmpg L/100km = 7.062023408
5 min/km km/h = 12
20 ms Hz = 50
1 g/cm3 kg/m3 = 1000
1 lb/ft3 kg/m3 = 16.01846337
1 gpm L/min = 3.785411784
1 cP Pa·s = 0.001
1 cSt m2/s = 0.000001
1 Ah C = 3600
2 S ohm = 0.5
1 T G = 10000
1 Oe A/m = 79.57747155
1 Ci Bq = 37000000000
1 Gy rad = 100
1 rem mSv = 10
1 fc lx = 10.76391042
1 fL cd/m2 = 3.4262591
1 mol/L mol/m3 = 1000
1 U µkat = 0.01666666667
1 % ppm = 10000
1 pt mL = 473.176473
72 pt in = 1
1 µF nF = 1000
1 mC C = 0.001
15 kWh/100km mi/kWh = 4.142474615
3 square_feet m2 = 0.27870912
2 cubic_metres L = 2000
60 miles_per_hour kph = 96.56064
"""


@pytest.mark.parametrize("line", KNOWN.strip().splitlines())
def test_known_constants(line):
    question, _, answer = line.partition(" = ")
    assert Converter(None).answer(question.split())[0].result == answer


def test_uk_names_mean_british_measures():
    british = Converter(None, uk=True)
    for line in ("1 gal L = 4.54609", "1 pt mL = 568.26125", "1 floz mL = 28.4130625", "1 cup mL = 284.130625",
                 "1 tbsp mL = 15", "40 mpg L/100km = 7.062023408", "1 cwt lb = 112"):  # fmt: skip
        question, _, answer = line.partition(" = ")
        assert british.answer(question.split())[0].result == answer


@pytest.mark.parametrize(
    ("name", "symbols"),
    [
        ("mb", {"Mb", "MB"}),
        ("MB", {"MB"}),
        ("Mb", {"Mb"}),
        ("kilometers", {"km"}),
        ("KB", {"kB"}),
        ("um", {"µm"}),
        ("GiB", {"GiB"}),
        ("pa", {"Pa", "pA", "PA"}),
    ],
)
def test_case_matters_for_symbols(name, symbols):
    finder = units.Units()
    found = finder.find(name) or finder.loose(name)
    assert {u.symbol for u in found} == symbols


def test_a_bit_has_no_small_prefixes_and_a_metre_no_binary_ones():
    finder = units.Units()
    assert not finder.find("mb") and not finder.find("Kim") and finder.find("Kib")


def test_relations():
    first = {u.symbol: u for u in reversed(ALL)}
    assert units.relation(first["km/L"], first["L/100km"]) == -1
    assert units.relation(first["m2"], first["L/100km"]) == 0  # the same dimensions, not the same quantity
    assert units.relation(first["Nm"], first["J"]) == 0
    assert units.relation(first["Hz"], first["Bq"]) == 0


def test_precision_of_pi():  # …2803482|5342: the last digit is rounded
    style = Style(precision=90)
    digits = Converter(None, style=style).answer(["180", "deg", "rad"])[0].result
    assert digits == (
        "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803483"
    )
