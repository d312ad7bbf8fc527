from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import rates
from backendhub.kit.db import Db
from backendhub.systems.expense import service, transfer
from backendhub.systems.expense.summary import summarise

ROWS = (
    ("Lunch; with (note) | pipe", "20.50", "2026-01-05", "food:lunch", "expense"),
    ("* starred (code)", "0.01", "2026-01-31", "food", "expense"),
    ("=Formula", "1999.99", "2026-02-28", "health & care", "expense"),
    ("Lunch back", "5.25", "2026-03-01", "food:lunch", "refund"),
    ('Job \\ "Inc"', "3000", "2026-03-31", "salary", "income"),
    ("Sushi", "1050 JPY", "2026-04-01", "food", "expense"),
    ("Dinar", "1.234 KWD", "2026-04-02", "food", "expense"),
    ("Unidad", "1000.1234 CLF", "2026-04-02", "1st's", "expense"),
    ("\x1b[31mevil\x1b[0m\u2028line", "7 EUR", "2026-04-03", "x_y", "expense"),
)


@pytest.fixture
def books(db: Db) -> Db:
    for text, amount, day, category, kind in ROWS:
        service.add(db, description=text, amount=amount, date=day, category=category, kind=kind)
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=service.day_of("2026-01-01"))
    return db


def journal(db: Db, format: str, path: Path) -> Path:
    path.write_text("".join(transfer.export_text(db, service.wanted(), format)), encoding="utf-8")
    return path


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def run(*args: str | Path) -> str:
    env = os.environ | {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
    done = subprocess.run([str(a) for a in args], capture_output=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_hledger_computes_what_summary_prints(books: Db, tmp_path: Path) -> None:
    import csv

    hledger = tool("hledger")
    file = journal(books, "hledger", tmp_path / "books.journal")
    run(hledger, "-f", file, "check")
    text = run(
        hledger, "-f", file, "bal", "--flat", "-N", "-O", "csv", "--layout", "bare", "expenses", "income"
    )
    found = {}
    for account, commodity, balance in list(csv.reader(text.splitlines()))[1:]:
        root, _, category = account.partition(":")
        found[root, category, commodity] = balance
    expected = {}
    for group in summarise(books).groups:
        if group.spent.minor:
            expected["expenses", group.key, group.currency] = group.spent.decimal
        if group.income.minor:
            expected["income", group.key, group.currency] = "-" + group.income.decimal
    from decimal import Decimal

    assert {k: Decimal(v) for k, v in found.items()} == {k: Decimal(v) for k, v in expected.items()}


def test_hledger_values_as_summary_does(books: Db, tmp_path: Path) -> None:
    file = journal(books, "hledger", tmp_path / "books.journal")
    text = run(
        tool("hledger"), "-f", file, "bal", "-N", "--value=then,USD", "cur:EUR", "expenses", "-O", "csv"
    )
    total = summarise(books, service.wanted(currency="EUR"), into="USD").spent[0]
    assert total.decimal == "7.56" and '"USD 7.56"' in text


def test_ledger_reads_the_export(books: Db, tmp_path: Path) -> None:
    file = journal(books, "ledger", tmp_path / "books.ledger")
    text = run(tool("ledger"), "-f", file, "bal", "expenses:food", "--flat")
    assert "JPY 1050" in text and "KWD 1.234" in text


def test_beancount_accepts_the_export(books: Db, tmp_path: Path) -> None:
    loader: Any = pytest.importorskip("beancount.loader", reason="beancount is not installed")
    file = journal(books, "beancount", tmp_path / "books.beancount")
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    assert sum(type(e).__name__ == "Transaction" for e in entries) == len(ROWS)


def test_an_empty_store_exports_valid_files(db: Db, tmp_path: Path) -> None:
    pieces: Callable[[str], str] = lambda f: "".join(transfer.export_text(db, service.wanted(), f))  # noqa: E731
    assert pieces("json") == "[]\n"
    assert pieces("csv").count("\n") == 1
    assert pieces("hledger") == "decimal-mark .\n\n"
    assert pieces("ledger") == pieces("beancount") == ""
