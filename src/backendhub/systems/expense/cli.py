"""`backendhub expense`: every command is a function that returns what it did."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, PolicyViolation

from . import service
from .models import Expense, Kind

if TYPE_CHECKING:
    from .budgets import Status
    from .periods import Period
    from .summary import Summary

app = cli.commands(
    "expense",
    "Track money: budgets, recurring entries, many currencies, import and export.",
    examples=(
        'backendhub expense add -d "Lunch" -a 20',
        "backendhub expense summary --month 8 --by category",
        "backendhub expense budget set 500 -c food --rollover",
        "backendhub expense import bank.csv --dry-run",
        "backendhub expense recur run   # for cron",
    ),
)
COLUMNS = ("id", "date", "description", "amount")

Amount = Annotated[str, Option("-a", "--amount", help="20, 20.50 or 20.50 EUR.", metavar="AMOUNT")]
NewAmount = Annotated[str | None, Option("-a", "--amount", help="20, 20.50 or 20.50 EUR.", metavar="AMOUNT")]
Text = Annotated[str, Option("-d", "--description", help="What it was for.", metavar="TEXT")]
NewText = Annotated[str | None, Option("-d", "--description", help="What it was for.", metavar="TEXT")]
Category = Annotated[
    str | None, Option("-c", "--category", help="Category; food:lunch is a part of food.", metavar="NAME")
]
Currency = Annotated[str | None, Option("--currency", help="Currency, as in EUR.", metavar="CODE")]
Day = Annotated[str | None, Option("--date", help="2026-02-28, yesterday, fri, -3d, …", metavar="DAY")]
Month = Annotated[str | None, Option("--month", help="8, august, 2024-08, this, last.", metavar="MONTH")]
Year = Annotated[str | None, Option("--year", help="2024, this, last.", metavar="YEAR")]
Last = Annotated[
    str | None, Option("--last", help="The past week, month, 3months, year, 10d.", metavar="SPAN")
]
Since = Annotated[str | None, Option("--from", help="From this day on.", metavar="DAY")]
Until = Annotated[str | None, Option("--to", help="Up to this day.", metavar="DAY")]
Search = Annotated[str | None, Option("-s", "--search", help="Text in the description.")]
Ids = Annotated[list[str] | None, Argument(help="Numbers: 3, 1,3-5, or - for stdin.", metavar="[ID...]")]
IdOption = Annotated[list[str] | None, Option("--id", help="The number; may be repeated.", metavar="ID")]


def default_currency() -> str:
    """The currency of amounts that name none."""
    return hub.current().settings.get("expense.currency") or service.DEFAULT_CURRENCY


@app.command(
    says="Expense added successfully (ID: {0.id})",
    examples=(
        'backendhub expense add -d "Lunch" -a 20',
        'backendhub expense add -d "Hotel" -a "120 EUR" --date yesterday -c travel',
        'backendhub expense add -d "Salary" -a 3000 --income',
    ),
)
def add(
    description: Text,
    amount: Amount,
    currency: Currency = None,
    date: Day = None,
    category: Category = None,
    income: Annotated[bool, Option("--income", help="Money in.")] = False,
    refund: Annotated[bool, Option("--refund", help="Money back.")] = False,
    strict: Annotated[bool, Option("--strict", help="Refuse (exit 8) what exceeds a budget.")] = False,
) -> Expense:
    """Add an expense; says which budgets it exceeds."""
    values: dict[str, Any] = {"description": description, "amount": amount, "currency": currency}
    values |= {"default": default_currency(), "date": date, "category": category}
    values["kind"] = _kind(income, refund) or Kind.EXPENSE
    entry, alerts = hub.unit(_add, values, strict)
    if entry.reason:
        hub.output().note(f"category: {entry.category} ({entry.reason})")
    for alert in alerts:
        hub.output().warn(alert.warning)
    return entry


def _kind(income: bool, refund: bool) -> Kind | None:
    if income and refund:
        raise Invalid("An entry is --income or --refund, not both.")
    return Kind.INCOME if income else Kind.REFUND if refund else None


def _add(db: Db, values: dict[str, Any], strict: bool) -> tuple[Expense, list[Status]]:
    entry = service.add(db, **values)
    if not service.has_budgets(db):
        return entry, []
    from .budgets import exceeded_by

    alerts = exceeded_by(db, entry)
    if strict and alerts:
        for alert in alerts:
            hub.output().warn(alert.warning)
        raise PolicyViolation("The expense was not added: it exceeds a budget.", hint="leave out --strict")
    return entry, alerts


def _one_id(given: list[str] | None, option: list[str] | None) -> list[int]:
    wanted = cli.ids([*(given or ()), *(option or ())])
    if not wanted:
        raise cli.Usage("Say which: --id 1.", hint="backendhub expense list")
    return wanted


@app.command(
    says="Expense updated successfully (ID: {0.id})",
    examples=("backendhub expense update --id 1 -a 25 -c food",),
)
def update(
    ids: Ids = None,
    id: IdOption = None,
    description: NewText = None,
    amount: NewAmount = None,
    currency: Currency = None,
    date: Day = None,
    category: Annotated[
        str | None, Option("-c", "--category", help="Category; auto guesses it anew.", metavar="NAME")
    ] = None,
    kind: Annotated[str | None, Option("--kind", help="expense, income or refund.")] = None,
) -> Expense:
    """Change an expense."""
    names = ("description", "amount", "currency", "date", "category", "kind")
    given = dict(zip(names, (description, amount, currency, date, category, kind), strict=True))
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    if not changes:
        raise Invalid("Nothing to change.", hint="backendhub expense update --help")
    if category is not None and category.lower() == "auto":
        changes["category"] = None
    wanted = _one_id(ids, id)
    if len(wanted) > 1:
        raise cli.Usage("One expense is changed at a time.")
    return hub.unit(service.edit, wanted[0], changes)


def _deleted(rows: list[Expense]) -> str:
    if len(rows) == 1:
        return "Expense deleted successfully"
    return f"{len(rows)} expenses deleted successfully"


@app.command(aliases=("rm",), says=_deleted)
def delete(ids: Ids = None, id: IdOption = None) -> list[Expense]:
    """Delete expenses (`backendhub undo` brings them back)."""
    wanted = _one_id(ids, id)

    def run(db: Db) -> list[Expense]:
        service.require(db, wanted)
        return [service.remove(db, number) for number in wanted]

    return hub.unit(run)


def _day(text: str | None) -> date | None:
    return service.day_of(text) if text is not None else None


def _period(
    month: str | None, year: str | None, last: str | None, since: str | None, until: str | None
) -> Period:
    from . import periods

    return periods.choose(month=month, year=year, last=last, since=_day(since), until=_day(until))


@app.command(
    "list",
    aliases=("ls",),
    columns=COLUMNS,
    empty='No expenses. Add one: backendhub expense add -d "Lunch" -a 20',
    examples=(
        "backendhub expense list --last week -c food",
        "backendhub expense list --sort=-amount --limit 5",
    ),
)
def list_(
    month: Month = None,
    year: Year = None,
    last: Last = None,
    since: Since = None,
    until: Until = None,
    category: Category = None,
    kind: Annotated[str | None, Option("--kind", help="expense, income or refund.")] = None,
    currency: Currency = None,
    search: Search = None,
    sort: Annotated[
        str, Option(help="id, date, amount, description, category (-date: latest first).")
    ] = "id",
    limit: Annotated[int | None, Option(min=1, help="At most so many.")] = None,
) -> list[Any]:
    """List expenses: ID, date, description, amount."""
    period = _period(month, year, last, since, until)
    wanted = service.wanted(
        since=period.start,
        until=period.end,
        category=category,
        kind=kind,
        currency=currency,
        text=search,
    )
    entries = hub.read(service.find_all, wanted, sort=sort, limit=limit or 2**31 - 1)
    if hub.output().format not in ("table", "plain"):
        return list(entries)
    # People read `$20`; programs get decimals and minor units.
    return [entry.as_json() | {"amount": entry.signed} for entry in entries]


@app.command(
    says=lambda s: _summary(s),
    examples=(
        "backendhub expense summary --month 8",
        "backendhub expense summary --year 2026 --by month --in EUR",
        "backendhub expense summary --month this --by category --chart august.svg",
    ),
)
def summary(
    month: Month = None,
    year: Year = None,
    last: Last = None,
    since: Since = None,
    until: Until = None,
    category: Category = None,
    currency: Currency = None,
    by: Annotated[str | None, Option("--by", help="category, month or payee: with bars.")] = None,
    into: Annotated[
        str | None, Option("--in", help="Value everything in one currency.", metavar="CODE")
    ] = None,
    value: Annotated[str | None, Option("--value", help="Rates of then (each day), end or now.")] = None,
    chart: Annotated[str | None, Option("--chart", help="Write a bar chart.", metavar="FILE.svg")] = None,
) -> Any:
    """Add up expenses of a period, by category, month or payee."""
    from .summary import summarise

    period = _period(month, year, last, since, until)
    wanted = service.wanted(category=category, currency=currency)
    result = hub.read(summarise, wanted, period, by=by, into=into, value=value)
    if chart is not None:
        from .report import write_chart

        write_chart(result, chart)
        hub.output().note(f"Chart written to {chart}")
    if hub.output().format == "csv":
        return [group.as_json(by or "category") for group in result.groups]
    return result


def _summary(result: Summary) -> str:
    from .report import summary_text

    return summary_text(result, table=hub.output().format == "table")


@app.command(says=lambda s: _report(s), examples=("backendhub expense report --month last",))
def report(
    month: Month = None,
    year: Year = None,
    into: Annotated[
        str | None, Option("--in", help="Value everything in one currency.", metavar="CODE")
    ] = None,
) -> Any:
    """A month's (or year's) report: spending, income, bars by category (or month), budgets."""
    from .summary import summarise

    period = _period(month or (None if year else "this"), year, None, None, None)
    by = "month" if month is None and year is not None else "category"
    return hub.read(summarise, service.wanted(), period, by=by, into=into)


def _report(result: Summary) -> str:
    from .report import report_text

    return report_text(result)


def _imported(done: Any) -> str:
    return (
        f"{done.added} {'expense' if done.added == 1 else 'expenses'} imported, {done.skipped} already there"
    )


@app.command("import", says=_imported)
def import_(
    file: Annotated[str, Argument(help="CSV, JSON, OFX or QFX; - for stdin.")],
    format: Annotated[str | None, Option("--format", help="csv, json or ofx; else by name.")] = None,
    map: Annotated[
        str | None, Option("--map", help="date=Datum,amount=Betrag,…: whose column is which.", metavar="MAP")
    ] = None,
    delimiter: Annotated[str | None, Option("--delimiter", help="; or , (else found out).")] = None,
    decimal: Annotated[str | None, Option("--decimal", help=", or . (else found out).")] = None,
    date_format: Annotated[str | None, Option("--date-format", help="As in %d/%m/%Y.")] = None,
    sign: Annotated[
        str, Option("--sign", help="What is below zero: minus spending, plus income, auto.")
    ] = "auto",
    currency: Currency = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be added, add nothing.")] = False,
) -> Any:
    """Add the entries of a file that are not there yet, all or none."""
    from . import transfer

    options = {"map": map, "delimiter": delimiter, "decimal": decimal, "dates": date_format, "sign": sign}
    return transfer.import_file(file, format, options, currency or default_currency(), dry_run=dry_run)


@app.command(undoable=False, examples=("backendhub expense export --format hledger > books.journal",))
def export(
    format: Annotated[str, Option("--format", help="csv, json, hledger, ledger or beancount.")] = "csv",
    month: Month = None,
    year: Year = None,
    last: Last = None,
    since: Since = None,
    until: Until = None,
    category: Category = None,
) -> None:
    """Write entries to stdout as a file; CSV and JSON can be imported again and change nothing."""
    from . import transfer

    period = _period(month, year, last, since, until)
    transfer.export(service.wanted(since=period.start, until=period.end, category=category), format)


@app.command("categories", columns=("category", "entries"), empty="No categories yet.")
def categories() -> list[dict[str, object]]:
    """Every category in use and its number of entries."""
    return [{"category": name, "entries": n} for name, n in hub.read(service.categories)]


from . import cli_plans as _plans  # noqa: E402 (adds budget, recur, rule, rate and categorize to `app`)

_plans.register(app)
