"""Entries in and out: CSV of any bank by a column map, JSON, and our own exports of both without loss.

Reading gives drafts with the line they came from; nothing is stored here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from backendhub.kit import money
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.money import Money
from backendhub.kit.output import dumps

from .models import Expense, Kind, Source
from .service import category_of, kind_of, one_line

READS = ("csv", "json", "ofx")
WRITES = ("csv", "json", "hledger", "ledger", "beancount")
COLUMNS = ("id", "kind", "date", "description", "amount", "currency", "category", "category_source")
# What banks call their columns, in the order in which they are tried.
NAMES = {
    "date": "date|booking date|transaction date|buchungstag|buchungsdatum|datum|fecha|data|value date|valuta",
    "description": "description|payee|name|merchant|text|verwendungszweck|buchungstext|details|memo|concepto|libellé",
    "amount": "amount|betrag|umsatz|importe|montant|value|sum",
    "debit": "debit|withdrawal|paid out|money out|soll",
    "credit": "credit|deposit|paid in|money in|haben",
    "currency": "currency|währung|waehrung|moneda|devise",
    "category": "category|kategorie",
    "category_source": "category_source|categorysource",
    "kind": "kind|type",
}
SIGNS = ("auto", "minus", "plus")


class Draft(NamedTuple):
    """An entry to be imported and where in the file it stood. `key` is the bank's own id of it, if it has one."""

    where: str
    kind: Kind
    date: str
    description: str
    minor: int
    currency: str
    category: str | None = None
    source: Source | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a CSV file is to be read; None means to find out from the file.

    `sign` says what an amount below zero is: spending (`minus`), income (`plus`: the file counts what was
    spent), or (`auto`) spending, where the file has any, and otherwise everything in it is spending.
    """

    columns: Mapping[str, str] | None = None
    delimiter: str | None = None
    decimal: str | None = None
    dates: str | None = None
    currency: str = "USD"
    sign: str = "auto"


def decode(data: bytes) -> str:
    """Text of a file: UTF-8, UTF-16 with its mark, else Windows-1252, which never fails to mean something."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def guess(name: str, text: str) -> str:
    """The format of a file by its name and its first characters."""
    head, suffix = text[:2000].lstrip(), name.rsplit(".", 1)[-1].lower()
    if suffix in ("ofx", "qfx") or head.startswith("OFXHEADER") or re.search(r"<\?OFX|<OFX>", head):
        return "ofx"
    return "json" if suffix == "json" or head[:1] in ("[", "{") else "csv"


def column_map(text: str) -> dict[str, str]:
    """`date=Datum,amount=Betrag` as a mapping. Raises Invalid for a field that entries do not have."""
    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, column = part.partition("=")
        if not equals or key.strip() not in NAMES or not column.strip():
            raise Invalid(
                f"{part!r} maps no column.",
                hint="write date=Datum,amount=Betrag; fields: " + ", ".join(NAMES),
            )
        found[key.strip()] = column.strip()
    return found


# -- CSV --------------------------------------------------------------------------------------------------


def write_csv(entries: Iterable[Expense]) -> Iterator[str]:
    """RFC 4180 lines. What a spreadsheet would run as a formula gets an apostrophe, which reading takes off."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for e in entries:
        texts = (e.kind.value, e.date.isoformat(), guarded(e.description), e.amount.decimal, e.currency)
        writer.writerow([e.id, *texts, e.category, e.category_source.value])
        if out.tell() > 1 << 16:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula (CWE-1236)."""
    return "'" + text if re.match(r"'*[=+\-@]", text) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if re.match(r"'+[=+\-@]", text) else text


def read_csv(text: str, layout: Layout) -> list[Draft]:
    """The rows of a bank's CSV file. Raises Invalid naming the line that cannot be read."""
    first = text.split("\n", 1)[0]
    delimiter = layout.delimiter or max(",;\t|", key=lambda c: (first.count(c), c == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = _numbered(reader)
    header = next(rows, (1, []))[1]
    if not any(header):
        raise Invalid("The CSV file is empty.", hint="its first line names the columns")
    places = _places(header, layout)
    records = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    parser = _Rows(places, layout, records)
    return [parser.draft(line, row, len(header)) for line, row in records]


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on: a quoted cell may hold line breaks."""
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"line {line}: {error}.") from None
        yield line, row
        line = reader.line_num + 1


def _places(header: list[str], layout: Layout) -> dict[str, int]:
    """Field → column number, by the map that was given, else by what banks call things."""
    titles = [h.strip().casefold() for h in header]
    found: dict[str, int] = {}
    for field, column in (layout.columns or {}).items():
        if column.casefold() in titles:
            found[field] = titles.index(column.casefold())
        elif column.isdecimal() and 1 <= int(column) <= len(header):
            found[field] = int(column) - 1
        else:
            raise Invalid(f"The file has no column {column!r}.", hint="it has " + ", ".join(header))
    for field, names in NAMES.items():
        known = next((titles.index(n) for n in names.split("|") if n in titles), None)
        if field not in found and known is not None and known not in found.values():
            found[field] = known
    amounts = {"amount"} if "amount" in found else {"debit", "credit"} & set(found)
    if missing := [f for f in ("date", "description") if f not in found] + ([] if amounts else ["amount"]):
        raise Invalid(
            f"No column is the {missing[0]}.",
            hint=f"say which: --map {missing[0]}=COLUMN of {', '.join(header)}",
        )
    return found


class _Rows:
    """Rows to drafts, with what the whole file has to say about signs, decimals and dates found first."""

    def __init__(self, places: dict[str, int], layout: Layout, rows: list[tuple[int, list[str]]]) -> None:
        self.places = places
        self.layout = layout
        self.currency = money.currency(layout.currency)
        self.decimal = layout.decimal or self._decimal(rows)
        self.own = "kind" in places and all(_is_kind(self._cell(r, "kind")) for _, r in rows)
        self.negative = any("-" in self._cell(r, "amount") for _, r in rows)
        if layout.sign not in SIGNS:
            raise Invalid(f"There is no sign rule {layout.sign!r}.", hint="choose from " + ", ".join(SIGNS))
        if self.decimal not in (",", "."):
            raise Invalid("The decimal mark is a point or a comma.", hint="--decimal ,")

    def _cell(self, row: list[str], field: str) -> str:
        place = self.places.get(field)
        return row[place].strip() if place is not None and place < len(row) else ""

    def _decimal(self, rows: list[tuple[int, list[str]]]) -> str:
        """A comma, if one is followed by one or two last digits anywhere and a point never is."""
        texts = [self._cell(r, f) for _, r in rows for f in ("amount", "debit", "credit")]
        comma = any(re.search(r",\d{1,2}\D*$", t) for t in texts)
        return "," if comma and not any(re.search(r"\.\d{1,2}\D*$", t) for t in texts) else "."

    def draft(self, line: int, row: list[str], width: int) -> Draft:
        """One row as a draft. Raises Invalid naming the line."""
        try:
            if len(row) > width:
                raise Invalid(f"there are {len(row)} values and {width} columns")
            code = money.currency(self._cell(row, "currency") or self.currency)
            kind, amount = self._amount(row, code)
            category = self._cell(row, "category")
            source = self._cell(row, "category_source")
            return Draft(
                f"line {line}",
                kind,
                self._date(self._cell(row, "date")),
                one_line(unguarded(self._cell(row, "description"))),
                amount.minor,
                amount.currency,
                category_of(category) if category else None,
                _source(source) if source else None,
            )
        except HubError as error:
            message = error.message if error.message.endswith(".") else error.message + "."
            raise Invalid(f"line {line}: {message}", hint=error.hint) from None

    def _amount(self, row: list[str], code: str) -> tuple[Kind, Money]:
        text = self._cell(row, "amount")
        if not text and ("debit" in self.places or "credit" in self.places):
            debit, credit = self._cell(row, "debit"), self._cell(row, "credit")
            if bool(debit) == bool(credit):
                raise Invalid("there is no amount" if not debit else "there is both a debit and a credit")
            amount = self._money(debit or credit, code)
            return (Kind.EXPENSE if debit else Kind.INCOME), self._positive(abs(amount.minor), code)
        amount = self._money(text, code)
        if self.own:
            return kind_of(self._cell(row, "kind")), self._positive(amount.minor, code)
        rule = self.layout.sign
        spent = (
            amount.minor < 0 if rule == "minus" or (rule == "auto" and self.negative) else amount.minor > 0
        )
        return (Kind.EXPENSE if spent else Kind.INCOME), self._positive(abs(amount.minor), code)

    def _positive(self, minor: int, code: str) -> Money:
        if minor <= 0:
            raise Invalid("the amount is not more than 0")
        return Money(minor, code)

    def _money(self, text: str, code: str) -> Money:
        if self.decimal == "." and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):  # most of every file
            return Money(money.minor(text, code), code)
        thousands = "." if self.decimal == "," else ","
        mark, group = re.escape(self.decimal), re.escape(thousands)
        word = text.replace("\u2212", "-").replace("\u00a0", " ")
        if match := re.fullmatch(rf"(\D*)(\d{{1,3}}(?:[{group}' ]\d{{3}})+)((?:{mark}\d*)?\D*)", word):
            word = match[1] + re.sub(r"\D", "", match[2]) + match[3]
        if thousands in word:
            raise Invalid(f"{text!r} is not an amount.", hint="--decimal , or --decimal .")
        return money.parse(word.replace(self.decimal, "."), code)

    def _date(self, text: str) -> str:
        if self.layout.dates:
            try:
                return datetime.strptime(text, self.layout.dates).date().isoformat()  # noqa: DTZ007
            except ValueError:
                raise Invalid(f"{text!r} is no date like {self.layout.dates}") from None
        return read_date(text)


def _is_kind(text: str) -> bool:
    return text in Kind._value2member_map_


def _source(text: str) -> Source:
    try:
        return Source(text)
    except ValueError:
        raise Invalid(f"There is no category source {text!r}") from None


def read_date(text: str) -> str:
    """An ISO date, or `31.12.2026`. Slashes are refused: nobody can say which number is the month."""
    if match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text):
        text = f"{match[3]}-{match[2]:0>2}-{match[1]:0>2}"
    try:
        return date.fromisoformat(text[:10] if re.match(r"\d{4}-\d\d-\d\d[T ]", text) else text).isoformat()
    except ValueError:
        raise Invalid(
            f"{text!r} is not a date", hint="2026-12-31, or say how: --date-format %m/%d/%Y"
        ) from None


# -- JSON -------------------------------------------------------------------------------------------------


def write_json(entries: Iterable[Expense]) -> Iterator[str]:
    """An array, one entry a line."""
    lead = "[\n"
    for entry in entries:
        yield lead + dumps(entry)
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def read_json(text: str, currency: str) -> list[Draft]:
    """An array of entries as exported; `kind`, `currency` and `category` may be missing. Raises Invalid."""
    try:
        data = json.loads(text, parse_float=str)  # a float would round what was written
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The file is not JSON: {error}.") from None
    rows = data if isinstance(data, list) else [data]
    return [_json_draft(number, row, currency) for number, row in enumerate(rows, 1)]


def _json_draft(number: int, row: Any, currency: str) -> Draft:
    where = f"entry {number}"
    try:
        if not isinstance(row, dict):
            raise Invalid("it is not an object.")
        texts = {
            k: row.get(k) for k in ("kind", "date", "description", "currency", "category", "categorySource")
        }
        for key, value in texts.items():
            if value is not None and not isinstance(value, str):
                raise Invalid(f"{key} is not a text.")
        amount = row.get("amount")
        if isinstance(amount, bool) or not isinstance(amount, (str, int)):
            raise Invalid("amount is not a number.")
        code = money.currency(texts["currency"] or currency)
        sum_ = money.parse(str(amount), code)
        if sum_.minor <= 0:
            raise Invalid("the amount is not more than 0.")
        category, source = texts["category"], texts["categorySource"]
        return Draft(
            where,
            kind_of(texts["kind"] or Kind.EXPENSE),
            read_date(texts["date"] or ""),
            one_line(texts["description"] or ""),
            sum_.minor,
            code,
            category_of(category) if category else None,
            _source(source) if source else None,
        )
    except HubError as error:
        message = error.message if error.message.endswith(".") else error.message + "."
        raise Invalid(f"{where}: {message}", hint=error.hint) from None
