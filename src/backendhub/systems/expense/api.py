"""`backendhub serve expense`: the same books over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from backendhub.kit import account_routes, money, rates, web
from backendhub.kit.db import Db
from backendhub.kit.errors import UnsupportedMediaType
from backendhub.kit.identity import Principal
from backendhub.kit.output import camel, plain
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import VISIBLE, Cursor, Id, Limit, Match, Search, Span, When, sort_pattern

from . import budgets, periods, recurring, rules, service, store
from .models import Expense
from .owners import owner, shared
from .periods import Period
from .rules import Rule
from .shapes import (
    Added,
    BudgetOut,
    BudgetStatus,
    ExpenseOut,
    ImportOut,
    KindName,
    RateOut,
    RecurOut,
    SummaryOut,
)
from .summary import summarise

router = web.Router(
    "Spending and income with exact amounts: entries, summaries, budgets, recurring entries, rules, rates, import "
    "and export; the books of `backendhub expense`, over HTTP. Amounts are decimal text, never floats. "
    "With `--auth token` every account has books of its own."
)
account_routes.add(router, "expense")

CODES = sorted(" ".join(money.EXPONENTS.values()).split())
_PART = r"[a-zA-Z0-9][a-zA-Z0-9 &/'+.-]{0,25}"
Description = Annotated[str, Field(min_length=1, max_length=service.MAX_DESCRIPTION, pattern=VISIBLE)]
# More than 0 and at most four decimals; which of them a currency has, no pattern can say.
_AMOUNT = r"^([1-9][0-9]{0,8}(\.[0-9]{1,4})?|0\.([1-9][0-9]{0,3}|0[1-9][0-9]{0,2}|00[1-9][0-9]?|000[1-9]))$"
Amount = Annotated[
    str, Field(pattern=_AMOUNT, examples=["20"], description="More than 0, never rounded: `20`, `20.50`")
]
Code = Annotated[str, Field(pattern="^[A-Z]{3}$"), WithJsonSchema({"type": "string", "enum": CODES})]
Category = Annotated[str, Field(pattern=f"^{_PART}(:{_PART})?$", examples=["food:lunch"])]
Past = Annotated[Literal["week", "month", "3months", "year"] | None, Query(description="Up to today")]
Day = Annotated[When | None, Query()]
From = Annotated[When | None, Query(alias="from")]
To = Annotated[When | None, Query(alias="to")]
CategoryQuery = Annotated[Category | None, Query()]
CodeQuery = Annotated[Code | None, Query()]


class Body(BaseModel):
    """A body in camelCase without fields that we do not know."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    def sent(self) -> dict[str, Any]:
        """What was sent, as the services take it."""
        return self.model_dump(exclude_unset=True)


class ExpenseIn(Body):
    """An entry to add; without a category one is guessed."""

    description: Description
    amount: Amount
    currency: Code | None = None
    date: When | None = None
    category: Category | None = None
    kind: KindName = "expense"


class ExpensePatch(ExpenseIn):
    """The fields to change; a category of null is guessed anew."""

    description: Description = Field(default_factory=str)
    amount: Amount = Field(default_factory=str)


class BudgetIn(Body):
    """A budget to set."""

    amount: Amount
    currency: Code | None = None
    category: Category | None = None
    every: Span = "1m"
    rollover: bool = False
    start: When | None = None


class RecurIn(ExpenseIn):
    """A recurring entry to add; `date` is its first day."""

    every: Span = "1m"
    until: When | None = None


class RuleIn(Body):
    """A rule to add: a regular expression and the category of what it matches."""

    pattern: Annotated[str, Field(min_length=1, max_length=200, pattern=VISIBLE)]
    category: Category


class RateIn(Body):
    """A rate to record."""

    base: Code
    quote: Code
    rate: Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$", examples=["1.08"])]
    date: When | None = None


def _period(
    past: str | None, since: str | None, until: str | None, month: str | None, year: str | None
) -> Period:
    days = [service.day_of(d) if d else None for d in (since, until)]
    return periods.choose(month=month, year=year, last=past, since=days[0], until=days[1])


def _one(entry: Expense) -> ExpenseOut:
    value: ExpenseOut = plain(entry)
    return web.reply(value, etag=web.etag(entry.revision))


def _default(request: web.Request) -> str:
    return request.hub.settings.get("expense.currency") or service.DEFAULT_CURRENCY


# -- entries ----------------------------------------------------------------------------------------------


@router.get("/expenses", statuses=(404,))
def list_expenses(
    db: Db,
    user: web.MaybeUser,
    past: Past = None,
    since: From = None,
    until: To = None,
    category: CategoryQuery = None,
    kind: Annotated[KindName | None, Query()] = None,
    currency: CodeQuery = None,
    q: Search = None,
    sort: Annotated[
        str, Query(description="`-date`: latest first", pattern=sort_pattern(store.SORT_KEYS))
    ] = "id",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[ExpenseOut]:
    """List entries, a page at a time: of the past week, month or three months, or of a custom range."""
    period = _period(past, since, until, None, None)
    given = {"category": category, "kind": kind, "currency": currency, "text": q}
    wanted = service.wanted(owner=owner(user), since=period.start, until=period.end, **given)  # type: ignore[arg-type]
    page = service.find(db, wanted, sort=sort, limit=limit, cursor=cursor)
    return Page([plain(entry) for entry in page.items], page.next)


@router.post("/expenses", status=201, idempotent=True)
def add_expense(db: Db, user: web.MaybeUser, request: web.Request, body: ExpenseIn) -> Added:
    """Add an entry; `alerts` names each budget that it takes over its limit, once."""
    entry = service.add(db, **body.sent(), default=_default(request), owner=owner(user, write=True))
    alerts = [s.warning for s in budgets.crossed_by(db, entry)]
    headers = {"Location": f"{request.prefix}/expenses/{entry.id}"}
    value: Added = plain(entry) | {"reason": entry.reason, "alerts": alerts}
    return web.reply(value, headers=headers, etag=web.etag(entry.revision))


@router.get("/expenses/{id}")
def get_expense(db: Db, user: web.MaybeUser, id: Id) -> ExpenseOut:
    """Read an entry."""
    return _one(service.get(db, id, owner=owner(user)))


@router.patch("/expenses/{id}", statuses=(412,))
def edit_expense(
    db: Db, user: web.MaybeUser, id: Id, body: ExpensePatch, if_match: Match = None
) -> ExpenseOut:
    """Change an entry (JSON Merge Patch). `If-Match` guards it against a change in the meantime."""
    mine = owner(user, write=True)
    entry = service.edit(db, id, body.sent(), if_revision=web.revision(if_match), owner=mine)
    return _one(entry)


@router.delete("/expenses/{id}", statuses=(412,))
def delete_expense(db: Db, user: web.MaybeUser, id: Id, if_match: Match = None) -> None:
    """Delete an entry."""
    service.remove(db, id, if_revision=web.revision(if_match), owner=owner(user, write=True))


@router.get("/categories")
def list_categories(db: Db, user: web.MaybeUser) -> dict[str, int]:
    """Every category in use and its number of entries."""
    return dict(service.categories(db, owner=owner(user)))


@router.get("/summary", statuses=(404,))
def summary(
    db: Db,
    user: web.MaybeUser,
    past: Past = None,
    since: From = None,
    until: To = None,
    month: Annotated[str | None, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-01"])] = None,
    year: Annotated[str | None, Query(pattern=r"^[1-9][0-9]{3}$")] = None,
    category: CategoryQuery = None,
    into: Annotated[Code | None, Query(alias="in", description="Value everything in this currency")] = None,
    value: Annotated[Literal["then", "end", "now"] | None, Query(description="Rates of which day")] = None,
) -> SummaryOut:
    """Add up a period by category and by month, with the budgets: all of it in one snapshot."""
    period = _period(past, since, until, month, year)
    result = summarise(
        db, service.wanted(owner=owner(user), category=category), period, by="month", into=into, value=value
    )
    document: dict[str, Any] = plain(result)
    document.pop("valuation", None)
    shaped: SummaryOut = {**document, "rates": plain(result.rates)}  # type: ignore[typeddict-item]
    return shaped


# -- plans ------------------------------------------------------------------------------------------------


@router.get("/budgets")
def list_budgets(db: Db, user: web.MaybeUser) -> list[BudgetOut]:
    """Every budget."""
    found: list[BudgetOut] = plain(budgets.find_all(db, owner=owner(user)))
    return found


@router.post("/budgets", status=201)
def set_budget(db: Db, user: web.MaybeUser, request: web.Request, body: BudgetIn) -> BudgetOut:
    """Set a budget; the one of the same category, period and currency is replaced."""
    row: BudgetOut = plain(
        budgets.put(db, **body.sent(), default=_default(request), owner=owner(user, write=True))
    )
    return row


@router.get("/budgets/status")
def budget_status(db: Db, user: web.MaybeUser, date: Day = None) -> list[BudgetStatus]:
    """How much of each budget is spent in the period that holds a day."""
    found: list[BudgetStatus] = plain(budgets.statuses(db, service.day_of(date), owner=owner(user)))
    return found


@router.delete("/budgets/{id}")
def delete_budget(db: Db, user: web.MaybeUser, id: Id) -> None:
    """Delete a budget."""
    budgets.remove(db, id, owner=owner(user, write=True))


@router.get("/recurring")
def list_recurring(db: Db, user: web.MaybeUser) -> list[RecurOut]:
    """Every recurring entry and its next date."""
    found: list[RecurOut] = plain(recurring.planned(db, owner=owner(user)))
    return found


@router.post("/recurring", status=201)
def add_recurring(db: Db, user: web.MaybeUser, request: web.Request, body: RecurIn) -> RecurOut:
    """Add a recurring entry."""
    mine = {"owner": owner(user, write=True)}
    values = {"every": "1m", "default": _default(request)} | body.sent() | mine
    row: RecurOut = plain(recurring.add(db, start=values.pop("date", None), **values))
    return row


@router.post("/recurring/run")
def run_recurring(db: Db, user: web.MaybeUser) -> list[ExpenseOut]:
    """Enter what is due up to today; running it again enters nothing twice."""
    made: list[ExpenseOut] = plain(recurring.run(db, owner=owner(user, write=True)))
    return made


@router.delete("/recurring/{id}")
def delete_recurring(db: Db, user: web.MaybeUser, id: Id) -> None:
    """End a recurring entry; what was entered stays."""
    recurring.remove(db, id, owner=owner(user, write=True))


@router.get("/rules")
def list_rules(db: Db, user: web.MaybeUser) -> list[Rule]:
    """The rules in the order in which they are asked."""
    return rules.find_all(db, owner=owner(user))


@router.post("/rules", status=201)
def add_rule(db: Db, user: web.MaybeUser, body: RuleIn) -> Rule:
    """Add a rule."""
    return rules.add(db, pattern=body.pattern, category=body.category, owner=owner(user, write=True))


@router.delete("/rules/{id}")
def delete_rule(db: Db, user: web.MaybeUser, id: Id) -> None:
    """Delete a rule; what it decided stays."""
    rules.remove(db, id, owner=owner(user, write=True))


@router.get("/rates")
def list_rates(db: Db, user: web.MaybeUser, base: CodeQuery = None, quote: CodeQuery = None) -> list[RateOut]:
    """Every recorded rate, those of all accounts."""
    owner(user)
    found: list[RateOut] = plain(rates.find_all(db, base=base, quote=quote))
    return found


@router.post("/rates", status=201)
def add_rate(db: Db, user: web.MaybeUser, body: RateIn) -> RateOut:
    """Record a rate; all accounts share them."""
    shared(user)
    on = service.day_of(body.date)
    row: RateOut = plain(rates.add(db, base=body.base, quote=body.quote, rate=body.rate, on=on))
    return row


# -- files ------------------------------------------------------------------------------------------------

IMPORTS = {"text/csv": "csv", "application/json": "json", "application/x-ofx": "ofx"}


@router.post("/import", statuses=(413, 415, 422))
async def import_file(
    request: web.Request,
    user: web.MaybeUser,
    currency: CodeQuery = None,
    map: Annotated[str | None, Query(max_length=500, examples=["date=Datum,amount=Betrag"])] = None,
    dry_run: Annotated[bool, Query(alias="dryRun")] = False,
) -> ImportOut:
    """Add what is not there yet, all or nothing. The body is the file: `text/csv`, `application/json` or
    `application/x-ofx`. A bad row is named by its line."""
    import asyncio

    from . import importing, transfer

    mine = owner(user, write=True)
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media not in IMPORTS:
        raise UnsupportedMediaType(
            f"The body is {media or 'of no declared type'}.", hint=" or ".join(IMPORTS)
        )

    def run(db: Db) -> importing.Imported:
        code = currency or _default(request)
        drafts = transfer.drafts_of(request.body, IMPORTS[media], "body", {"map": map}, code)
        return importing.add_drafts(db, drafts, owner=mine)

    work = importing.rehearsed(request.hub.store, run) if dry_run else lambda: request.hub.store.unit(run)
    done = await asyncio.to_thread(work)  # a hundred thousand rows would hold up every other request
    return {"added": done.added, "skipped": done.skipped}


def _export(
    db: Db, user: Principal | None, format: str, past: str | None, since: str | None, until: str | None
) -> web.Reply:
    from . import transfer

    period = _period(past, since, until, None, None)
    wanted = service.wanted(owner=owner(user), since=period.start, until=period.end)
    text = "".join(transfer.export_text(db, wanted, format))
    name = {"csv": "csv", "json": "json", "beancount": "beancount"}.get(format, "journal")
    return web.Reply(
        text.encode(), headers={"Content-Disposition": f'attachment; filename="expenses.{name}"'}
    )


@router.get("/export.csv", heavy=True, media_type="text/csv; charset=utf-8")
def export_csv(db: Db, user: web.MaybeUser, past: Past = None, since: From = None, until: To = None) -> Any:
    """Entries as CSV; imported again they change nothing."""
    return _export(db, user, "csv", past, since, until)


@router.get("/export.json", heavy=True)
def export_json(
    db: Db, user: web.MaybeUser, past: Past = None, since: From = None, until: To = None
) -> list[ExpenseOut]:
    """Entries as JSON, all of them at once; imported again they change nothing."""
    return _export(db, user, "json", past, since, until)  # type: ignore[return-value]


@router.get("/export.journal", heavy=True, media_type="text/plain; charset=utf-8")
def export_journal(
    db: Db,
    user: web.MaybeUser,
    format: Annotated[Literal["hledger", "ledger", "beancount"], Query()] = "hledger",
    past: Past = None,
    since: From = None,
    until: To = None,
) -> Any:
    """Entries as a journal for plain-text accounting."""
    return _export(db, user, format, past, since, until)
