from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit.db import Db, connect
from backendhub.kit.errors import Invalid
from backendhub.systems.expense import formats, importing, service, transfer
from backendhub.systems.expense.models import Expense, Kind, Source

Run = Callable[..., Any]


def drafts(text: str, **options: Any) -> list[formats.Draft]:
    return transfer.drafts_of(text.encode(), "csv", "x.csv", options, "USD")


def facts(text: str, **options: Any) -> list[tuple[str, str, str, int]]:
    return [(d.kind.value, d.date, d.description, d.minor) for d in drafts(text, **options)]


# -- reading CSV -------------------------------------------------------------------------------------------


def test_bom_semicolons_decimal_commas_and_quoted_newlines() -> None:
    text = (
        "\ufeffBuchungstag;Verwendungszweck;Betrag\r\n"
        '31.01.2026;"REWE\r\nsagt ""danke""";-1.234,56\r\n'
        "01.02.2026;Gehalt;2.000,00\r\n"
    )
    assert facts(text) == [
        ("expense", "2026-01-31", 'REWE sagt "danke"', 123456),
        ("income", "2026-02-01", "Gehalt", 200000),
    ]


def test_map_names_or_numbers_columns() -> None:
    text = "when,what,how much\n01/31/2026,Shoes,80\n"
    shown = facts(text, map="date=1,description=What,amount=how much", dates="%m/%d/%Y")
    assert shown == [("expense", "2026-01-31", "Shoes", 8000)]


def test_debit_and_credit_columns() -> None:
    text = "date,details,debit,credit\n2026-01-31,Shoes,80.00,\n2026-02-01,Job,,1000\n"
    assert [(k, m) for k, _, _, m in facts(text)] == [("expense", 8000), ("income", 100000)]


@pytest.mark.parametrize(
    ("sign", "kinds"),
    [("auto", ["expense", "income"]), ("minus", ["expense", "income"]), ("plus", ["income", "expense"])],
)
def test_signs(sign: str, kinds: list[str]) -> None:
    text = "date,description,amount\n2026-01-01,a,-1\n2026-01-01,b,1\n"
    assert [row[0] for row in facts(text, sign=sign)] == kinds


def test_a_file_without_negatives_is_spending() -> None:
    assert facts("date,description,amount\n2026-01-01,a,1\n")[0][0] == "expense"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-01-01,a,abc", "line 4: 'abc' is not an amount"),
        ("2026-01-01,a,1.999", "too many decimals"),
        ("2026-01-01,a,0", "line 4: the amount is not more than 0"),
        ("2026-13-01,a,1", "line 4: '2026-13-01' is not a date"),
        ("01/02/2026,a,1", "is not a date"),
        ("2026-01-01,,1", "line 4: The description is empty"),
        ("2026-01-01,a,1,2", "line 4: there are 4 values and 3 columns"),
        ('2026-01-01,"a,1', "line 4: unexpected end of data"),
    ],
)
def test_a_bad_row_is_named_by_the_line_it_starts_on(row: str, message: str) -> None:
    text = f'date,description,amount\n2026-01-01,"two\nlines",1\n{row}\n'
    with pytest.raises(Invalid) as caught:
        drafts(text)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a,b\n1,2\n", "date,description\n", "date,description,amount,currency\n2026-01-01,a,1,XXX\n"],
)
def test_files_that_are_no_statements(text: str) -> None:
    with pytest.raises(Invalid):
        drafts(text)


def test_bad_options() -> None:
    text = "date,description,amount\n2026-01-01,a,1\n"
    bad: list[dict[str, str]] = [{"map": "colour=1"}, {"map": "date=nope"}, {"delimiter": "ab"}]
    for options in (*bad, {"sign": "both"}, {"decimal": "x"}):
        with pytest.raises(Invalid):
            drafts(text, **options)
    with pytest.raises(Invalid):
        transfer.drafts_of(b"", "doc", "x", {}, "USD")


def test_encodings() -> None:
    text = "date,description,amount\n2026-01-01,café,1\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        assert formats.decode(text.encode(encoding)) == text


def test_nothing_of_a_bad_file_is_imported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("date,description,amount\n2026-01-01,a,1\n2026-01-02,b,oops\n")
    ran = run("import", "bad.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: line 3: 'oops' is not an amount.")
    assert run("list").out == ""


def test_dry_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("date,description,amount\n2026-01-01,Taxi,1\n2026-01-02,b,2\n")
    ran = run("import", "bank.csv", "--dry-run")
    assert "2 of 2 would be imported, 0 already there; nothing was changed." in ran.err
    assert ran.out.splitlines()[0].startswith("line 2\tnew\t2026-01-01\texpense\tTaxi\t1.00\tUSD\ttransport")
    assert run("list").out == ""
    assert run("import", "bank.csv").out == "2 expenses imported, 0 already there\n"
    assert run("import", "bank.csv").out == "0 expenses imported, 2 already there\n"


# -- JSON --------------------------------------------------------------------------------------------------


def test_json_amounts_are_never_floats() -> None:
    rows = formats.read_json('[{"date": "2026-01-01", "description": "a", "amount": 19.99}]', "USD")
    assert rows[0].minor == 1999
    for bad in ("1e3", "NaN", "true", "null", "10.999", "-1", '"x"', "[]"):
        with pytest.raises(Invalid, match="entry 1"):
            formats.read_json(f'[{{"date": "2026-01-01", "description": "a", "amount": {bad}}}]', "USD")
    for bad in ("[", "[1]", '[{"date": 5, "amount": 1}]'):
        with pytest.raises(Invalid):
            formats.read_json(bad, "USD")


# -- doubles -----------------------------------------------------------------------------------------------

BANK = "date,description,amount\n2026-01-01,Coffee,3\n2026-01-01,Coffee,3\n2026-01-02,Shoes,80\n"


def add(db: Db, text: str) -> tuple[int, int]:
    done = importing.add_drafts(db, drafts(text))
    return done.added, done.skipped


def test_equal_rows_are_counted_not_merged(db: Db) -> None:
    assert add(db, BANK) == (3, 0)
    assert add(db, BANK) == (0, 3)
    assert add(db, BANK + "2026-01-01,Coffee,3\n") == (1, 3)


def test_rows_typed_by_hand_count(db: Db) -> None:
    service.add(db, description="coffee", amount="3", date="2026-01-01")
    assert add(db, BANK) == (2, 1)


def test_late_postings_of_a_day_are_not_missed(db: Db) -> None:
    add(db, "date,description,amount\n2026-01-02,Shoes,80\n")
    assert add(
        db, "date,description,amount\n2026-01-01,Late,5\n2026-01-02,Shoes,80\n2026-01-02,Late,6\n"
    ) == (2, 1)


def test_an_edited_import_is_recognised_both_ways(db: Db) -> None:
    add(db, BANK)
    shoes = service.find_all(db, service.wanted(text="shoes"))[0]
    service.edit(db, shoes.id, {"description": "Boots", "date": "2026-03-01", "amount": "81"})
    assert add(db, BANK) == (0, 3)
    exported = "".join(transfer.export_text(db, service.wanted(), "csv"))
    assert add(db, exported) == (0, 3)


@pytest.mark.usefixtures("owners")
def test_other_owners_do_not_count(db: Db) -> None:
    add(db, BANK)
    done = importing.add_drafts(db, drafts(BANK), owner="ann")
    assert done.added == 3


def test_imported_rows_are_categorised_once(db: Db) -> None:
    add(db, "date,description,amount,category\n2026-01-01,Taxi,3,\n2026-01-02,Taxi,4,Work\n")
    rows = [(e.category, e.category_source) for e in service.find_all(db)]
    assert rows == [("transport", Source.KEYWORD), ("work", Source.EXPLICIT)]


def test_progress_adds_up(db: Db) -> None:
    told: list[float] = []
    text = "date,description,amount\n" + "2026-01-01,a,1\n" * 4500
    importing.add_drafts(db, drafts(text), progress=told.append)
    assert sum(told) == 4500 and len(told) == 3


# -- OFX ---------------------------------------------------------------------------------------------------

OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20260105<LANGUAGE>ENG</SONRS>
</SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS>
<CURDEF>USD<BANKACCTFROM><BANKID>123<ACCTID>456789<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>
<DTSTART>20260101<DTEND>20260131{rows}</BANKTRANLIST>
<LEDGERBAL><BALAMT>100.00<DTASOF>20260131</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"""


def ofx(*rows: tuple[str, str, str]) -> bytes:
    text = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>20260102<TRNAMT>{amount}<FITID>{id}<NAME>{name}</STMTTRN>"
        for id, name, amount in rows
    )
    return OFX.replace("{rows}", text).encode()


def add_ofx(db: Db, *rows: tuple[str, str, str]) -> tuple[int, int]:
    done = importing.add_drafts(db, transfer.drafts_of(ofx(*rows), None, "bank.ofx", {}, "USD"))
    return done.added, done.skipped


def test_ofx_goes_by_the_banks_own_ids(db: Db) -> None:
    assert add_ofx(db, ("1", "Coffee", "-3.00"), ("2", "Job", "1000")) == (2, 0)
    rows = [(e.kind, e.description, e.minor, e.date.isoformat()) for e in service.find_all(db)]
    assert rows == [
        (Kind.EXPENSE, "Coffee", 300, "2026-01-02"),
        (Kind.INCOME, "Job", 100000, "2026-01-02"),
    ]
    assert add_ofx(db, ("1", "Coffee", "-3.00"), ("3", "Coffee", "-3.00")) == (1, 1)
    assert add_ofx(db, ("4", "Coffee", "-3.00")) == (1, 0)
    service.edit(db, service.find_all(db)[0].id, {"description": "Tea", "amount": "4"})
    assert add_ofx(db, ("1", "Coffee", "-3.00")) == (0, 1)


def test_ofx_matches_what_was_typed_by_hand(db: Db) -> None:
    service.add(db, description="Coffee", amount="3", date="2026-01-02")
    assert add_ofx(db, ("1", "Coffee", "-3.00")) == (0, 1)


@pytest.mark.parametrize("data", [b"OFXHEADER:100\n", b"<OFX></OFX>", b"", b"<?OFX version='2'?><x>"])
def test_bad_ofx(data: bytes) -> None:
    with pytest.raises(Invalid):
        transfer.drafts_of(data, "ofx", "x.ofx", {}, "USD")


# -- there and back ----------------------------------------------------------------------------------------

DAYS = st.dates(date(1999, 1, 1), date(2040, 1, 1))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30),
    st.sampled_from(
        ["=1+1", "'=x", "''-5", "a;b", 'q"uote', "tab\there", "two\nlines", "@x", "+1", "'plain'"]
    ),
).filter(lambda t: bool(t.split()))
AMOUNTS = st.sampled_from(
    ["USD 0.01", "19.99 USD", "5 JPY", "1.234 KWD", "0.0001 CLF", "1234.56 EUR", "7 CHF"]
)
ENTRIES = st.lists(
    st.tuples(TEXTS, AMOUNTS, DAYS, st.sampled_from(list(Kind)), st.sampled_from([None, "food", "a b:c&d"])),
    max_size=12,
)


def content(db: Db) -> list[Expense]:
    return service.find_all(db)


def essence(entries: list[Expense]) -> list[tuple[Any, ...]]:
    names = ("kind", "date", "description", "payee", "minor", "currency", "category", "category_source")
    return sorted(tuple(str(getattr(e, n)) for n in names) for e in entries)


@settings(max_examples=60, deadline=timedelta(seconds=2), suppress_health_check=[HealthCheck.too_slow])
@given(ENTRIES, st.sampled_from(["csv", "json"]))
def test_an_export_imported_again_changes_nothing(rows: list[tuple[Any, ...]], format: str) -> None:
    with contextlib.closing(connect(":memory:")) as store:
        store.use("expense")
        with store.transaction() as db:
            for text, amount, day, kind, category in rows:
                service.add(db, description=text, amount=amount, date=day, kind=kind, category=category)
            before = content(db)
            file = "".join(transfer.export_text(db, service.wanted(), format)).encode()
            done = importing.add_drafts(db, transfer.drafts_of(file, format, "x", {}, "USD"))
            assert (done.added, done.skipped) == (0, len(rows))
            assert content(db) == before
    with contextlib.closing(connect(":memory:")) as other:
        other.use("expense")
        with other.transaction() as db:  # and in an empty store it gives the same books
            importing.add_drafts(db, transfer.drafts_of(file, format, "x", {}, "USD"))
            assert essence(content(db)) == essence(before)
            assert "".join(transfer.export_text(db, service.wanted(), format)).count("\n") >= 1


@given(st.text(alphabet="'=+-@a ", max_size=6))
def test_guarding_formulas_is_lossless(text: str) -> None:
    assert formats.unguarded(formats.guarded(text)) == text
    assert formats.guarded(text)[:1] not in ("=", "+", "-", "@")
