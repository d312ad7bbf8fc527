"""The smaller groups of `backendhub expense`: budget, recur, rule, rate, and `categorize`.

Typer reads the annotations of a command when it runs, so a command whose result's class is imported lazily
is annotated with Any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub

from . import service

if TYPE_CHECKING:
    from .budgets import Budget
    from .models import Expense
    from .recurring import Recur

Category = Annotated[str | None, Option("-c", "--category", help="Category.", metavar="NAME")]
Currency = Annotated[str | None, Option("--currency", help="Currency, as in EUR.", metavar="CODE")]
Start = Annotated[str | None, Option("--from", help="The first day.", metavar="DAY")]
Id = Annotated[int, Argument(help="Its number.", metavar="ID")]


def _default() -> str:
    return hub.current().settings.get("expense.currency") or service.DEFAULT_CURRENCY


def register(app: cli.Commands) -> None:
    """Adds the groups to the command."""
    app.command("categorize", aliases=("categorise",), empty="Every category is decided.")(categorize)
    budget = app.group("budget", "Budgets for any period, of everything or a category")
    budget.command("set", says=lambda b: f"Budget set: {_budget(b)} (ID: {b.id})")(budget_set)
    budget.command("status", empty="No budgets. Set one: backendhub expense budget set 500")(budget_status)
    budget.command("list", empty="No budgets. Set one: backendhub expense budget set 500")(budget_list)
    budget.command("delete", says="Budget deleted successfully")(budget_delete)
    recur = app.group("recur", "Recurring entries: rent, salary, subscriptions")
    recur.command("add", says=_recur_added)(recur_add)
    recur.command("list", empty="Nothing recurs.")(recur_list)
    recur.command("run", says=_recur_ran)(recur_run)
    recur.command("delete", says="Recurring entry deleted successfully")(recur_delete)
    rule = app.group("rule", "Rules that decide a category by a pattern")
    rule.command("add", says="Rule added successfully (ID: {0.id})")(rule_add)
    rule.command("list", columns=("id", "pattern", "category"), empty="No rules.")(rule_list)
    rule.command("delete", says="Rule deleted successfully")(rule_delete)
    rate = app.group("rate", "Exchange rates by date")
    rate.command("add", says="Rate added: 1 {0.base} = {0.decimal} {0.quote} from {0.date}")(rate_add)
    columns = ("date", "base", "quote", "rate", "source")
    rate.command("list", columns=columns, empty="No rates.")(rate_list)
    rate.command("delete", says="Rate deleted successfully")(rate_delete)


# -- budgets ----------------------------------------------------------------------------------------------

NAMES = {"1d": "day", "1w": "week", "2w": "fortnight", "1m": "month", "3m": "quarter", "1y": "year"}


def _budget(b: Budget) -> str:
    of = f" for {b.category}" if b.category else ""
    rolls = ", rolling over" if b.rollover else ""
    return f"{b.amount} every {NAMES.get(b.every, b.every)}{of}{rolls}"


def budget_set(
    amount: Annotated[str, Argument(help="500, 500.50 or 500 EUR.", metavar="AMOUNT")],
    category: Category = None,
    every: Annotated[
        str, Option("--every", help="day, week, fortnight, month, quarter, year or a span like 10d.")
    ] = "month",
    rollover: Annotated[bool, Option("--rollover", help="Carry over what is left (or owed).")] = False,
    currency: Currency = None,
    start: Start = None,
) -> Any:
    """Set a budget, replacing the one of the same category, period and currency."""
    from . import budgets

    values: dict[str, Any] = {"amount": amount, "category": category, "every": every, "rollover": rollover}
    return hub.unit(budgets.put, **values, currency=currency, default=_default(), start=start)


def budget_status(
    date: Annotated[
        str | None, Option("--date", help="The period that holds this day.", metavar="DAY")
    ] = None,
) -> list[Any]:
    """How much of each budget is spent in its period."""
    from . import budgets

    rows = hub.read(budgets.statuses, service.day_of(date))
    for row in rows:
        if row.uncounted:
            names = " + ".join(str(m) for m in row.uncounted)
            hub.output().warn(f"{row.title} budget: {names} not counted, for want of a rate")
    if hub.output().format not in ("table", "plain"):
        return list(rows)
    return [
        {"budget": r.title, "spent": r.spent, "limit": r.limit, "left": r.left}
        | {"used": "–" if r.percent is None else f"{r.percent}%"}
        for r in rows
    ]


def budget_list() -> list[Any]:
    """Every budget."""
    from . import budgets

    return _shown(hub.read(budgets.find_all), ("id", "amount", "every", "category", "from", "rollover"))


def _shown(rows: list[Any], columns: tuple[str, ...]) -> list[Any]:
    """For people the columns that they need, with `$20` for an amount; for programs everything."""
    if hub.output().format not in ("table", "plain") or hub.output().fields:
        return rows
    return [{n: (row.as_json() | {"amount": row.amount})[n] for n in columns} for row in rows]


def budget_delete(id: Id) -> str:
    """Delete a budget."""
    from . import budgets

    hub.unit(budgets.remove, id)
    return str(id)


# -- recurring entries ------------------------------------------------------------------------------------


def _recur_added(series: Recur) -> str:
    every = NAMES.get(series.every, series.every)
    return f"Recurring entry added (ID: {series.id}): {series.amount} every {every} from {series.anchor}"


def recur_add(
    description: Annotated[str, Option("-d", "--description", help="What it is for.", metavar="TEXT")],
    amount: Annotated[str, Option("-a", "--amount", help="20, 20.50 or 20.50 EUR.", metavar="AMOUNT")],
    every: Annotated[
        str, Option("--every", help="day, week, fortnight, month, quarter, year, 10d, 2m.")
    ] = "month",
    currency: Currency = None,
    category: Category = None,
    start: Start = None,
    until: Annotated[str | None, Option("--until", help="The last day.", metavar="DAY")] = None,
    income: Annotated[bool, Option("--income", help="Money in.")] = False,
) -> Any:
    """Add a recurring entry; `recur run` enters what is due."""
    from . import recurring

    values: dict[str, Any] = {"description": description, "amount": amount, "every": every}
    values |= {"currency": currency, "category": category, "start": start, "until": until}
    return hub.unit(recurring.add, **values, default=_default(), kind="income" if income else "expense")


def recur_list() -> list[Any]:
    """Every recurring entry and its next date."""
    from . import recurring

    columns = ("id", "description", "amount", "every", "category", "next", "until")
    return _shown(hub.read(recurring.planned), columns)


def _recur_ran(entries: list[Expense]) -> str:
    if not entries:
        return "Nothing is due"
    return "\n".join(f"Added {e.date} {e.description} {e.signed} (ID: {e.id})" for e in entries)


def recur_run(
    until: Annotated[str | None, Option("--until", help="Up to this day, else today.", metavar="DAY")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be added, add nothing.")] = False,
) -> list[Any]:
    """Enter what is due; running it again enters nothing twice (for cron)."""
    from . import recurring

    day = service.day_of(until)
    if not dry_run:
        return hub.unit(recurring.run, day)
    entries = hub.rehearse(recurring.run, day)
    hub.output().note(f"{len(entries)} entries would be added; nothing was changed.")
    return entries


def recur_delete(id: Id) -> str:
    """End a recurring entry; what was entered stays."""
    from . import recurring

    hub.unit(recurring.remove, id)
    return str(id)


# -- categories -------------------------------------------------------------------------------------------


def rule_add(
    pattern: Annotated[str, Argument(help="A regular expression; case is ignored.", metavar="REGEX")],
    category: Annotated[str, Argument(help="The category.", metavar="CATEGORY")],
) -> Any:
    """Add a rule: descriptions that match belong to the category."""
    from . import rules

    return hub.unit(rules.add, pattern=pattern, category=category)


def rule_list() -> list[Any]:
    """The rules in the order in which they are asked."""
    from . import rules

    return hub.read(rules.find_all)


def rule_delete(id: Id) -> str:
    """Delete a rule; what it decided stays."""
    from . import rules

    hub.unit(rules.remove, id)
    return str(id)


def categorize(
    explain: Annotated[
        str | None,
        Option("--explain", help="Say how a description (or entry number) is judged.", metavar="TEXT"),
    ] = None,
    review: Annotated[bool, Option("--review", help="Show what was guessed, change nothing.")] = False,
    income: Annotated[bool, Option("--income", help="With --explain: judge it as income.")] = False,
) -> list[Any]:
    """Guess the categories again that nobody decided on, with what was learned since."""
    from . import rules

    if explain is not None:
        return hub.read(_explain, explain, income)
    if review:
        return hub.read(rules.review)
    return [row for row in hub.unit(rules.review, apply=True) if row.changed]


def _explain(db: Any, text: str, income: bool) -> list[dict[str, object]]:
    from .categorise import Categoriser

    if text.isascii() and text.isdecimal():
        entry = service.get(db, int(text))
        text, income = entry.description, entry.kind == "income"
    categoriser = Categoriser(db)
    verdict = categoriser.guess(text, income=income)
    rows: list[dict[str, object]] = []
    for step, guess in categoriser.explain(text, income=income):
        why = guess.reason if guess else "no opinion"
        if step == "similar entries" and guess is None:
            scores = ", ".join(
                f"{name} {p:.0%}" for name, p in categoriser.posteriors(text, income=income)[:3]
            )
            why = f"not sure enough: {scores}" if scores else "no opinion"
        elif guess and guess.scores:
            why = f"{why}, {guess.scores[0][1]:.0%} sure"
        rows.append({"step": step, "category": guess.category if guess else "–", "why": why})
    rows.append({"step": "verdict", "category": verdict.category, "why": verdict.reason or "nothing known"})
    return rows


# -- rates ------------------------------------------------------------------------------------------------


def rate_add(
    base: Annotated[str, Argument(help="One of this …", metavar="BASE")],
    quote: Annotated[str, Argument(help="… in this currency", metavar="QUOTE")],
    rate: Annotated[str, Argument(help="… is so much: 1.08, or 27/25.", metavar="RATE")],
    date: Annotated[str | None, Option("--date", help="From this day on, else today.", metavar="DAY")] = None,
) -> Any:
    """Record an exchange rate."""
    from backendhub.kit import rates

    return hub.unit(rates.add, base=base, quote=quote, rate=rate, on=service.day_of(date))


def rate_list(
    base: Annotated[str | None, Argument(help="Only of this currency.", metavar="BASE")] = None,
    quote: Annotated[str | None, Argument(help="Only in this currency.", metavar="QUOTE")] = None,
) -> list[Any]:
    """Every recorded rate."""
    from backendhub.kit import rates

    return hub.read(rates.find_all, base=base, quote=quote)


def rate_delete(
    base: Annotated[str, Argument(help="One of this …", metavar="BASE")],
    quote: Annotated[str, Argument(help="… in this currency", metavar="QUOTE")],
    date: Annotated[str, Option("--date", help="Of this day.", metavar="DAY")],
) -> str:
    """Forget the rate of a day."""
    from backendhub.kit import rates
    from backendhub.kit.errors import NotFound

    day = service.day_of(date)
    if not hub.unit(rates.remove, base=base, quote=quote, on=day):
        raise NotFound(
            f"There is no rate of {base} in {quote} of {day}.", hint="backendhub expense rate list"
        )
    return str(day)
