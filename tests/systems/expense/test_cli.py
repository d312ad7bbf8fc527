from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., Any]


def test_the_brief(run: Run) -> None:
    assert (
        run("add", "--description", "Lunch", "--amount", "20").out == "Expense added successfully (ID: 1)\n"
    )
    assert (
        run("add", "--description", "Dinner", "--amount", "10").out == "Expense added successfully (ID: 2)\n"
    )
    assert run("list").out == "1\t2026-08-20\tLunch\t$20\n2\t2026-08-20\tDinner\t$10\n"
    assert run("summary").out == "Total expenses: $30\n"
    assert run("delete", "--id", "1").out == "Expense deleted successfully\n"
    assert run("summary").out == "Total expenses: $10\n"
    assert run("summary", "--month", "8").out == "Total expenses for August: $10\n"
    assert run("summary", "--month", "7").out == "Total expenses for July: $0\n"
    assert run("update", "--id", "2", "--amount", "12.50").out == "Expense updated successfully (ID: 2)\n"
    assert run("list").out == "2\t2026-08-20\tDinner\t$12.50\n"
    table = run("list", "--format", "table").out.splitlines()
    assert table[0].split() == ["ID", "Date", "Description", "Amount"]


@pytest.mark.parametrize("amount", ["-5", "0", "nan", "inf", "1e3", "abc", "10.999", "10.5 JPY", "1,50", ""])
def test_bad_amounts_exit_2_and_add_nothing(run: Run, amount: str) -> None:
    ran = run("add", "-d", "x", "-a", amount)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: ")
    assert run("list").out == ""


@pytest.mark.parametrize(
    "args",
    [
        ("add", "-d", " ", "-a", "1"),
        ("add", "-d", "x", "-a", "1", "--date", "2025-02-30"),
        ("add", "-d", "x", "-a", "1", "--currency", "XYZ"),
        ("add", "-d", "x", "-a", "1", "-c", "(odd)"),
        ("add", "-d", "x", "-a", "1", "--income", "--refund"),
        ("add", "-d", "x"),
        ("summary", "--month", "13"),
        ("summary", "--month", "0"),
        ("summary", "--month", "notamonth"),
        ("summary", "--year", "26"),
        ("summary", "--value", "end"),
        ("summary", "--in", "USD", "--value", "later"),
        ("summary", "--by", "colour"),
        ("summary", "--last", "week", "--month", "8"),
        ("list", "--from", "2026-02-01", "--to", "2026-01-01"),
        ("list", "--sort", "colour"),
        ("list", "--kind", "gift"),
        ("delete",),
        ("update", "--id", "1"),
        ("budget", "set", "-5"),
        ("budget", "set", "5", "--every", "sometimes"),
        ("recur", "add", "-d", "x", "-a", "5", "--from", "2026-02-01", "--until", "2026-01-01"),
        ("rule", "add", "(", "food"),
        ("rule", "add", ".*", "food"),
        ("rate", "add", "EUR", "EUR", "1"),
        ("rate", "add", "EUR", "USD", "-1"),
        ("export", "--format", "doc"),
    ],
)
def test_bad_input_is_2_in_one_line(run: Run, args: tuple[str, ...]) -> None:
    ran = run(*args)
    assert ran.code == 2, ran
    assert len(ran.err.splitlines()) <= 2 and ran.err.startswith("Error: ")


@pytest.mark.parametrize(
    "args",
    [
        ("delete", "--id", "9"),
        ("update", "--id", "9", "-a", "1"),
        ("budget", "delete", "9"),
        ("recur", "delete", "9"),
        ("rule", "delete", "9"),
        ("rate", "delete", "EUR", "USD", "--date", "2026-01-01"),
        ("import", "nowhere.csv"),
        ("categorize", "--explain", "9"),
    ],
)
def test_unknown_things_are_3(run: Run, args: tuple[str, ...]) -> None:
    ran = run(*args)
    assert ran.code == 3, ran
    assert "9" in ran.err or "no " in ran.err


def test_one_bad_id_deletes_nothing(run: Run) -> None:
    for name in ("a", "b"):
        run("add", "-d", name, "-a", "1")
    ran = run("delete", "1-2,7")
    assert ran.code == 3 and "7" in ran.err
    assert len(run("list").out.splitlines()) == 2
    assert run("delete", "1-2").out == "2 expenses deleted successfully\n"


def test_budget_warning_and_strict(run: Run) -> None:
    run("budget", "set", "500")
    run("add", "-d", "Rent", "-a", "490")
    ran = run("add", "-d", "TV", "-a", "30")
    assert (ran.code, ran.out) == (0, "Expense added successfully (ID: 2)\n")
    assert ran.err == "Warning: August budget exceeded: $520 of $500 (104%)\n"
    refused = run("add", "-d", "TV", "-a", "30", "--strict")
    assert (refused.code, refused.out) == (8, "")
    assert "Warning: August budget exceeded: $550 of $500 (110%)" in refused.err
    assert len(run("list").out.splitlines()) == 2
    assert run("budget", "status").out == "August\t$520\t$500\t-$20\t104%\n"
    assert run("add", "-d", "gift", "-a", "30", "--date", "2026-07-01", "--strict").code == 0


def test_summary_json(run: Run) -> None:
    run("add", "-d", "Rent", "-a", "980", "--date", "2024-01-05", "-c", "housing")
    run("add", "-d", "Job", "-a", "3000", "--date", "2024-01-31", "--income", "-c", "salary")
    run("budget", "set", "1000")
    document = json.loads(run("summary", "--month", "2024-01", "--json").out)
    assert document["period"] == "2024-01"
    assert document["totals"] == [{"currency": "USD", "amount": "980.00", "minor": 98000}]
    assert document["income"] == [{"currency": "USD", "amount": "3000.00", "minor": 300000}]
    assert [c["category"] for c in document["byCategory"]] == ["housing", "salary"]
    assert document["budgets"][0]["spentMinor"] == 98000
    assert run("summary", "--month", "2024-01").out.splitlines()[0] == "Total expenses for January 2024: $980"


def test_currencies_and_rates(run: Run) -> None:
    run("add", "-d", "Hotel", "-a", "100 EUR", "--date", "2026-08-02", "-c", "travel")
    run("add", "-d", "Taxi", "-a", "20", "--date", "2026-08-03", "-c", "travel")
    assert run("summary").out == "Total expenses: €100 + $20\n"
    missing = run("summary", "--in", "USD")
    assert missing.code == 3 and "EUR to USD on 2026-08-02" in missing.err
    run("rate", "add", "EUR", "USD", "1.08", "--date", "2026-08-01")
    run("rate", "add", "EUR", "USD", "1.10", "--date", "2026-08-19")
    then = run("summary", "--in", "USD").out
    assert then == "Total expenses: $128\nValued then: EUR in USD: 1.08 of 2026-08-01\n"
    assert run("summary", "--in", "USD", "--value", "now").out.startswith("Total expenses: $130\n")
    end = run("summary", "--in", "USD", "--value", "end", "--to", "2026-08-05").out
    assert end.startswith("Total expenses to 2026-08-05: $128\n") or "$128" in end
    document = json.loads(run("summary", "--in", "USD", "--json").out)
    assert document["valuation"]["rates"][0] | {"source": ""} == {
        "date": "2026-08-01",
        "base": "EUR",
        "quote": "USD",
        "rate": "1.08",
        "num": 27,
        "den": 25,
        "source": "",
    }


def test_bars_in_a_table_and_tabs_in_a_pipe(run: Run) -> None:
    run("add", "-d", "a", "-a", "30", "-c", "food")
    run("add", "-d", "b", "-a", "10", "-c", "transport")
    assert run("summary", "--by", "category").out == "food\t$30\t75%\ntransport\t$10\t25%\n"
    lines = run("summary", "--by", "category", "--format", "table").out.splitlines()
    assert lines[0] == "Total expenses: $40"
    assert lines[1].count("█") == 28 and lines[1].endswith("75%")
    assert 8 <= lines[2].count("█") <= 10
    assert run("summary", "--by", "month").out == "2026-08\t$40\t100%\n"
    assert run("summary", "--by", "payee").out.startswith("a\t$30")
    report = run("report", "--month", "this").out
    assert report.startswith("August\n") and "Spent   $40" in report
    csv = run("summary", "--by", "category", "--format", "csv").out.splitlines()
    assert csv[0].startswith("category,amount,minor,currency") and csv[1].startswith("food,30.00,3000,USD")


def test_chart_is_well_formed(run: Run, tmp_path: Path) -> None:
    run("add", "-d", "a", "-a", "30", "-c", "food & drink")
    assert run("summary", "--chart", "out.svg").code == 0
    root = ElementTree.parse(tmp_path / "out.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert any(e.text == "food & drink" for e in root.iter())
    assert run("summary", "--chart", "out.png").code == 2
    assert run("summary", "--chart", "nowhere/out.svg").code == 2
    run("add", "-d", "a", "-a", "30 EUR", "-c", "food")
    assert run("summary", "--chart", "two.svg").code == 2


def test_the_default_currency_is_a_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_EXPENSE_CURRENCY", "EUR")
    run("add", "-d", "a", "-a", "30")
    assert run("summary").out == "Total expenses: €30\n"


def test_recur_and_rules(run: Run) -> None:
    assert run("recur", "add", "-d", "Rent", "-a", "700", "--from", "2026-05-31", "-c", "housing").code == 0
    assert run("recur", "run", "--dry-run").code == 0
    assert run("list").out == ""
    dates = [line.split()[1] for line in run("recur", "run").out.splitlines()]
    assert dates == ["2026-05-31", "2026-06-30", "2026-07-31"]
    assert run("recur", "run").out == "Nothing is due\n"
    assert run("recur", "list").out == "1\tRent\t$700\t1m\thousing\t2026-08-31\t\n"
    assert run("rule", "add", "^acme", "fees").out == "Rule added successfully (ID: 1)\n"
    ran = run("add", "-d", "ACME corp", "-a", "3")
    assert ran.err == "category: fees (rule 1: ^acme)\n"
    assert run("rule", "list").out == "1\t^acme\tfees\n"
    assert run("categories").out == "fees\t1\nhousing\t3\n"


def test_every_writing_command_can_be_undone(run: Run) -> None:
    steps = [
        ("add", "-d", "Lunch", "-a", "20"),
        ("update", "--id", "1", "-a", "25"),
        ("budget", "set", "500"),
        ("recur", "add", "-d", "Rent", "-a", "7", "--from", "2026-05-31"),
        ("recur", "run"),
        ("rule", "add", "^rent", "housing"),
        ("categorize",),
        ("rate", "add", "EUR", "USD", "1.08"),
        ("delete", "1-3"),
        ("rule", "delete", "1"),
        ("budget", "delete", "1"),
        ("recur", "delete", "1"),
    ]
    states = [_state(run)]
    for step in steps:
        assert run(*step).code == 0, step
        states.append(_state(run))
    for before in reversed(states[:-1]):
        _undo()
        assert _state(run) == before


def _state(run: Run) -> list[str]:
    words = (("list", "--json"), ("budget", "list", "--json"), ("recur", "list", "--json"))
    return [run(*w).out for w in (*words, ("rule", "list", "--json"), ("rate", "list", "--json"))]


def _undo() -> None:
    from backendhub.kit import hub
    from backendhub.kit.db.journal import undo

    hub.current().use("expense")
    hub.unit(undo)
    hub.current().close()
    hub.install(None)


def test_escape_sequences_are_stored_and_never_shown(run: Run) -> None:
    run("add", "-d", "\x1b[31mred\x1b[0m", "-a", "1")
    assert run("list").out == "1\t2026-08-20\tred\t$1\n"
    assert json.loads(run("list", "--json").out)[0]["description"] == "\x1b[31mred\x1b[0m"


def test_hot_path_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from backendhub.app.main import main; code = main(['expense', 'add', '-d', 'Lunch', '-a', '20']);"
        "bad = {'rich', 'httpx', 'pydantic', 'fastapi', 'sqlite_utils', 'asyncio', 'decimal', 'fractions', 'csv', "
        "'json', 'hashlib', 'ofxtools'} & set(sys.modules); print(sorted(bad)); sys.exit(code)"
    )
    import os
    import subprocess

    env = os.environ | {"BACKENDHUB_DATABASE": str(tmp_path / "hub.db")}
    for _ in range(2):  # the first run also migrates
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env=env, timeout=60, check=True
        )
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_piped_end_to_end(process: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_NOW", "2026-08-20T09:00:00Z")
    assert process("expense", "add", "-d", "Coffee", "-a", "2.50").code == 0
    assert process("expense", "list").out == "1\t2026-08-20\tCoffee\t$2.50\n"
    text = process("expense", "export").out
    again = process("expense", "import", "-", stdin=text)
    assert again.out == "0 expenses imported, 1 already there\n"
    error = process("expense", "add", "-d", "x", "-a", "nan", "--json")
    assert json.loads(error.err)["error"]["code"] == "invalid"


def test_categorize_explains_reviews_and_applies(run: Run) -> None:
    run("add", "-d", "Zorp one", "-a", "1", "-c", "fun")
    run("add", "-d", "Zorp two", "-a", "1")
    run("add", "-d", "Zorp three", "-a", "1", "-c", "fun")
    assert (
        run("categorize", "--review").out == "2\tZorp two\tuncategorized\tfun\tlearned from 2 similar\tyes\n"
    )
    assert run("list", "-c", "fun").out.count("\n") == 2
    assert run("categorize").out.count("\n") == 1
    assert run("list", "-c", "fun").out.count("\n") == 3
    assert run("categorize").out == ""
    explained = run("categorize", "--explain", "zorp four").out.splitlines()
    assert explained[2] == "similar entries\tfun\tlearned from 2 similar, 100% sure"
    assert explained[-1] == "verdict\tfun\tlearned from 2 similar"
    assert run("categorize", "--explain", "2").out.splitlines()[-1].startswith("verdict\tfun")
    assert (
        run("categorize", "--explain", "salary", "--income")
        .out.splitlines()[-1]
        .startswith("verdict\tsalary")
    )
