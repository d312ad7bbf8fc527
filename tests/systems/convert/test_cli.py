from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backendhub.kit.db import connect
from backendhub.kit.errors import HubError
from backendhub.systems.convert import units
from backendhub.systems.convert.models import Style
from backendhub.systems.convert.service import Converter


def test_a_pipe_gets_the_number_a_person_the_equation(run):
    assert run("5", "km", "mi") == (0, "3.106855961\n", "")
    assert run("5", "km", "mi", "--format", "table") == (0, "5 km = 3.106855961 mi\n", "")
    assert run("100", "kg", "lb;oz") == (0, "220\t7.396194958\n", "")
    assert run("5", "ft", "11", "in", "to", "cm", "--format", "table")[1] == "5 ft 11 in = 180.34 cm\n"


def test_a_terminal_shows_equations(run):
    assert run("5", "km", "mi", tty=True)[1] == "5 km = 3.106855961 mi\n"


def test_help_names_every_option(run):
    text = run("--help")[1]
    for option in (
        "--uk",
        "--delta",
        "--precision",
        "--decimals",
        "--exact",
        "--date",
        "unit",
        "rate",
        "list",
    ):
        assert option in text


def test_formats(run):
    assert json.loads(run("5", "km", "mi", "--json")[1]) == {
        "value": "5",
        "from": "km",
        "to": "mi",
        "result": "3.106855961",
        "fraction": "78125/25146",
        "exact": False,
        "category": "length",
    }
    assert [row["to"] for row in json.loads(run("5", "km", "mi", "ft", "--json")[1])] == ["mi", "ft"]
    assert run("5", "km", "mi", "--fields", "result,exact") == (0, "3.106855961\tno\n", "")
    assert run("5", "km", "mi", "--format", "csv")[1].splitlines()[0].startswith("value,from,to,result")
    parts = json.loads(run("100", "kg", "lb;oz", "--json")[1])["parts"]
    assert parts == [{"value": "220", "unit": "lb"}, {"value": "7.396194958", "unit": "oz"}]


def test_negative_values_and_options(run):
    assert run("-40", "C", "F")[1] == "-40\n"
    assert run("-.5", "km", "m")[1] == "-500\n"
    assert run("-½", "km", "m")[1] == "-500\n"
    assert run("1", "gal", "L", "--uk")[1] == "4.54609\n"
    assert run("10", "C", "F", "--delta")[1] == "18\n"
    assert run("2", "in", "cm", "--decimals", "3")[1] == "5.080\n"
    assert run("1", "ft", "yd", "--exact")[1] == "1/3\n"
    assert run("5", "km", "mi", "--exact", "--precision", "3")[0] == 2


def test_batches(run):
    assert run("-", "km", "mi", stdin="1\n\n2.5 \n# comment\n")[1] == "0.6213711922\n1.553427981\n"
    assert run("-", stdin="1 km m\n5 lb to oz\n")[1] == "1000\n80\n"
    code, out, err = run("-", "km", "mi", stdin="1\nx\n")
    assert (code, out) == (2, "") and "Line 2: 'x' is not a number" in err
    assert json.loads(run("-", "km", "m", "--json", stdin="1\n")[1])[0]["result"] == "1000"
    assert run("-", "km", "m", stdin="") == (0, "", "")


def test_errors_are_one_line_and_a_hint(run):
    code, out, err = run("5", "kg", "m")
    assert (code, out) == (2, "") and err.startswith("Error: kg measures mass and m length")
    code, _, err = run("5", "metrs", "m", "--json")
    assert code == 2 and json.loads(err)["error"]["hint"] == "did you mean metre, meter?"
    assert run()[0] == 2


def test_units_of_ones_own(run):
    assert run("unit", "add", "smoot", "=", "67", "in")[1] == "Unit added: 1 smoot = 67 in\n"
    assert run("3", "smoot", "ft")[1] == "16.75\n"
    assert run("unit", "list")[1] == "smoot\t67 in\tlength\n"
    assert run("unit", "add", "smoot", "1", "m")[0] == 1
    assert run("unit", "add", "km", "1", "m")[0] == 2
    assert run("unit", "remove", "smoot")[0] == 0
    assert run("unit", "remove", "smoot")[0] == 3
    assert run("3", "smoot", "ft")[0] == 2


def test_rates(run):
    code, _, err = run("5", "EUR", "USD")
    assert code == 3 and "There is no rate for EUR to USD" in err
    assert run("rate", "add", "EUR", "USD", "1.08", "--date", "2026-01-02")[0] == 0
    assert run("5", "EUR", "USD")[1] == "5.4\n"
    shown = "5 EUR = 5.4 USD  (rate 1.08 of 2026-01-02)\n"
    assert run("5", "EUR", "USD", "--format", "table")[1] == shown
    assert run("5", "EUR", "USD", "--date", "2026-01-01")[0] == 3
    assert run("rate", "list")[1] == "2026-01-02\tEUR\tUSD\t1.08\tmanual\n"
    assert json.loads(run("5", "EUR", "USD", "--json")[1])["rateDate"] == "2026-01-02"


def test_list(run):
    assert "temperature\t7\tK C F R" in run("list")[1]
    assert "mpg" in run("list", "fuel", "economy")[1]
    assert run("list", "nonsense")[0] == 2


def test_the_table_answers_without_a_store(process, tmp_path):
    assert process("convert", "5", "km", "mi").out == "3.106855961\n"
    assert not list(tmp_path.rglob("*.db"))


def test_a_conversion_loads_nothing_heavy(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from backendhub.app.main import main; main(['convert', '5', 'km', 'mi']);"
        "print([m for m in ('httpx', 'pydantic', 'rich', 'asyncio', 'sqlite_utils', 'fractions', 'decimal',"
        " 'json') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "3.106855961\n[]\n"


WORDS = st.sampled_from(
    ["5", "-40", "½", "1e400", "1,5", "0", "3/4", "5ft", "5'11\"", "km", "mi", "C", "F", "oz", "ton", "to", "lb;oz",
     "mpg", "L/100km", "deg", "rad", "m^9", "kg/m^3", "EUR", "smoot", "mb", ";", "/", "°", "²", "1e9e9", "in3", "λ"]
)  # fmt: skip


@pytest.fixture(scope="module")
def opened():
    store = connect(":memory:")
    store.use("convert")
    yield store
    store.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(WORDS, st.text(max_size=8), st.sampled_from(units.spellings())), max_size=6),
    st.sampled_from([Style(), Style(precision=1000), Style(decimals=1000), Style(exact=True)]),
    st.booleans(),
)
@example(["1e500", "Qm^3", "qm^3"], Style(decimals=1000), False)
@example(["9" * 400 + "e400", "deg^9", "rad^9"], Style(decimals=1000), False)
def test_no_words_end_in_anything_but_a_result_or_an_explanation(opened, words, style, flag):
    try:
        rows = opened.read(lambda db: Converter(db, style=style, uk=flag, delta=flag).answer(words))
    except HubError as error:
        assert error.exit_code in (2, 3) and error.message
    else:
        assert all(row.result and row.equation() and row.as_json() for row in rows)
