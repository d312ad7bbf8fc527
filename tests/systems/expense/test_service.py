from __future__ import annotations

from datetime import date

import pytest

from backendhub.kit import clock, rates
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, PreconditionFailed
from backendhub.kit.money import Money
from backendhub.systems.expense import budgets, recurring, service, store
from backendhub.systems.expense.models import Filter, Kind, Source
from backendhub.systems.expense.periods import ALWAYS, month_of, past
from backendhub.systems.expense.summary import summarise

D = date.fromisoformat


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def test_add_and_get(db: Db) -> None:
    entry = service.add(db, description="  Two \n words ", amount="19.99", category=" Food : Lunch ")
    assert entry == service.get(db, entry.id)
    assert (entry.description, entry.minor, entry.currency) == ("Two words", 1999, "USD")
    assert (entry.category, entry.category_source) == ("food:lunch", Source.EXPLICIT)
    assert (entry.date, entry.kind, entry.revision) == (D("2026-08-20"), Kind.EXPENSE, 1)


def test_ids_are_not_reused(db: Db) -> None:
    first = service.add(db, description="a", amount="1")
    service.remove(db, first.id)
    assert service.add(db, description="a", amount="1").id > first.id


@pytest.mark.usefixtures("owners")
def test_owners_see_only_their_own(db: Db) -> None:
    mine = service.add(db, description="a", amount="1", owner="ann")
    budgets.put(db, amount="1", owner="ann")
    series = recurring.add(db, description="r", amount="1", every="month", owner="ann")
    for verb in (service.get, service.remove):
        with pytest.raises(NotFound):
            verb(db, mine.id, owner="bob")
    with pytest.raises(NotFound):
        service.edit(db, mine.id, {"amount": "2"}, owner="bob")
    with pytest.raises(NotFound):
        recurring.remove(db, series.id, owner="bob")
    assert service.find_all(db) == [] and service.count(db, Filter(owner="ann")) == 1
    assert budgets.find_all(db) == [] and recurring.run(db, owner="bob") == []
    assert summarise(db).spent == [] and summarise(db, Filter(owner="ann")).spent == [usd(100)]


def test_edit(db: Db) -> None:
    entry = service.add(db, description="a", amount="20.50", category="food")
    edited = service.edit(
        db, entry.id, {"amount": "7", "date": "2026-01-02", "kind": "refund", "description": "b"}
    )
    assert (edited.minor, edited.date, edited.kind, edited.description, edited.category) == (
        *(700, D("2026-01-02"), Kind.REFUND, "b"),
        "food",
    )
    assert edited.revision == 2
    with pytest.raises(PreconditionFailed):
        service.edit(db, entry.id, {"amount": "8"}, if_revision=1)
    with pytest.raises(PreconditionFailed):
        service.remove(db, entry.id, if_revision=1)
    assert service.edit(db, entry.id, {"currency": "EUR"}).amount == Money(700, "EUR")
    with pytest.raises(Invalid):
        service.edit(db, entry.id, {"amount": "7.5", "currency": "JPY"})


def test_a_guessed_category_follows_the_description_and_a_decided_one_stays(db: Db) -> None:
    entry = service.add(db, description="Taxi", amount="1")
    assert (entry.category, entry.category_source) == ("transport", Source.KEYWORD)
    assert service.edit(db, entry.id, {"description": "Lunch"}).category == "food"
    service.edit(db, entry.id, {"category": "work"})
    assert service.edit(db, entry.id, {"description": "Taxi"}).category == "work"
    assert service.edit(db, entry.id, {"category": None}).category == "transport"


def test_filters_and_paging(db: Db) -> None:
    for day, name, category in (
        ("2026-01-01", "Alpha", "food"),
        ("2026-02-01", "100% beta", "food:lunch"),
        ("2026-03-01", "gamma", "foodie"),
    ):
        service.add(db, description=name, amount="1", date=day, category=category)
    names = lambda **kw: [e.description for e in service.find_all(db, service.wanted(**kw))]  # noqa: E731
    assert names(category="food") == ["Alpha", "100% beta"]
    assert names(since=D("2026-02-01"), until=D("2026-02-28")) == ["100% beta"]
    assert names(text="ALPHA") == ["Alpha"] and names(text="0% b") == ["100% beta"] and names(text="_") == []
    assert names(kind="income") == [] and names(currency="usd")[0] == "Alpha" and names(ids=[0]) == []
    page = service.find(db, sort="-date", limit=2)
    rest = service.find(db, sort="-date", limit=2, cursor=page.next)
    assert [e.description for e in (*page.items, *rest.items)] == ["gamma", "100% beta", "Alpha"]
    assert rest.next is None
    for key in store.SORT_KEYS:
        cursor = service.find(db, sort=key, limit=1).next
        assert len(service.find(db, sort=key, limit=5, cursor=cursor).items) == 2
    with pytest.raises(NotFound):
        service.find(db, sort="date", cursor="nonsense")


# -- summaries ---------------------------------------------------------------------------------------------


def test_refunds_lower_spending_and_income_is_apart(db: Db) -> None:
    service.add(db, description="Shoes", amount="80", category="clothing")
    service.add(db, description="Shoes", amount="30", category="clothing", kind="refund")
    service.add(db, description="Job", amount="100", category="salary", kind="income")
    result = summarise(db)
    assert (result.spent, result.income, result.net) == ([usd(5000)], [usd(10000)], [usd(5000)])
    assert [(g.key, g.spent.minor, g.income.minor, g.share) for g in result.groups] == [
        ("clothing", 5000, 0, 100),
        ("salary", 0, 10000, 0),
    ]


def test_summary_by_month_payee_and_of_a_period(db: Db) -> None:
    for day, amount in (("2026-01-31", "1"), ("2026-02-01", "2"), ("2026-02-28", "4"), ("2026-03-01", "8")):
        service.add(db, description=f"Shop {amount}", amount=amount, date=day, category="food")
    assert summarise(db, Filter(), month_of("2")).spent == [usd(600)]
    months = [(g.key, g.spent.minor) for g in summarise(db, by="month").groups]
    assert months == [("2026-01", 100), ("2026-02", 600), ("2026-03", 800)]
    assert [(g.key, g.entries) for g in summarise(db, by="payee").groups] == [("shop", 4)]


def test_valuation_is_exact_and_rounded_once(db: Db) -> None:
    rates.add(db, base="EUR", quote="USD", rate="1/3", on=D("2026-01-01"))
    for _ in range(3):  # a cent and a third of it each: 1 cent in all, where rounding each gives 0
        service.add(db, description="a", amount="0.01 EUR", date="2026-01-02", category="food")
    assert summarise(db, into="USD").spent == [usd(1)]


def test_valuation_then_end_now(db: Db) -> None:
    for day, rate in (("2026-01-01", "1"), ("2026-01-31", "2"), ("2026-08-01", "4")):
        rates.add(db, base="EUR", quote="USD", rate=rate, on=D(day))
    service.add(db, description="a", amount="1 EUR", date="2026-01-02", category="food")
    values = {
        v: summarise(db, Filter(), month_of("1"), into="USD", value=v).spent for v in ("then", "end", "now")
    }
    assert values == {"then": [usd(100)], "end": [usd(200)], "now": [usd(400)]}
    with pytest.raises(NotFound, match="EUR to GBP on 2026-01-02"):
        summarise(db, into="GBP")


# -- budgets -----------------------------------------------------------------------------------------------


def test_budget_of_a_category_counts_its_parts_and_refunds(db: Db) -> None:
    budget = budgets.put(db, amount="100", category="food")
    service.add(db, description="a", amount="70", category="food:lunch")
    service.add(db, description="b", amount="50", category="foodie")
    service.add(db, description="c", amount="20", category="food", kind="refund")
    service.add(db, description="d", amount="60", category="food", date="2026-07-31")
    assert budgets.status(db, budget, D("2026-08-20")).spent == usd(5000)
    over = service.add(db, description="e", amount="51", category="food")
    (alert,) = budgets.exceeded_by(db, over)
    assert alert.warning == "August food budget exceeded: $101 of $100 (101%)"
    assert budgets.exceeded_by(db, service.add(db, description="f", amount="9", category="rent")) == []
    assert budgets.exceeded_by(db, service.add(db, description="f", amount="9 EUR", category="food")) == []


def test_exactly_the_budget_is_not_too_much(db: Db) -> None:
    budgets.put(db, amount="100")
    assert budgets.exceeded_by(db, service.add(db, description="e", amount="100")) == []
    assert budgets.exceeded_by(db, service.add(db, description="e", amount="0.01"))


def test_rollover_carries_both_ways(db: Db) -> None:
    budget = budgets.put(db, amount="100", rollover=True, start="2026-05-01")
    service.add(db, description="a", amount="30", date="2026-05-10")  # leaves 70
    service.add(db, description="a", amount="150", date="2026-06-10")  # owes 50
    limits = [
        budgets.status(db, budget, D(d)).limit.minor for d in ("2026-05-31", "2026-06-01", "2026-07-31")
    ]
    assert limits == [10000, 17000, 12000]


def test_setting_a_budget_again_replaces_it(db: Db) -> None:
    first = budgets.put(db, amount="100")
    second = budgets.put(db, amount="200", rollover=True)
    assert second.id == first.id and second.minor == 20000
    budgets.put(db, amount="7", every="fortnight")
    assert len(budgets.find_all(db)) == 2


def test_budgets_in_other_currencies_use_the_rate_of_the_day(db: Db) -> None:
    budget = budgets.put(db, amount="100")
    service.add(db, description="a", amount="10 EUR", date="2026-08-02")
    before = budgets.status(db, budget, D("2026-08-20"))
    assert (before.spent.minor, before.uncounted) == (0, (Money(1000, "EUR"),))
    rates.add(db, base="USD", quote="EUR", rate="0.5", on=D("2026-08-01"))
    after = budgets.status(db, budget, D("2026-08-20"))
    assert (after.spent.minor, after.uncounted) == (2000, ())


@pytest.mark.parametrize(
    ("every", "start", "day", "first", "last"),
    [
        ("month", None, "2026-08-31", "2026-08-01", "2026-08-31"),
        ("fortnight", "2026-01-05", "2026-01-18", "2026-01-05", "2026-01-18"),
        ("fortnight", "2026-01-05", "2026-01-19", "2026-01-19", "2026-02-01"),
        ("fortnight", "2026-01-05", "2026-01-04", "2025-12-22", "2026-01-04"),
        ("quarter", None, "2026-08-20", "2026-07-01", "2026-09-30"),
        ("year", None, "2026-08-20", "2026-01-01", "2026-12-31"),
        ("month", "2026-01-31", "2026-02-28", "2026-02-28", "2026-03-30"),
        ("10d", "2026-08-01", "2026-08-11", "2026-08-11", "2026-08-20"),
    ],
)
def test_periods(db: Db, every: str, start: str | None, day: str, first: str, last: str) -> None:
    period = budgets.status(db, budgets.put(db, amount="1", every=every, start=start), D(day)).period
    assert (period.start, period.end) == (D(first), D(last))


# -- recurring entries -------------------------------------------------------------------------------------


def test_recurring_is_idempotent_anchored_and_survives_deletion(db: Db) -> None:
    series = recurring.add(
        db, description="Rent", amount="700", every="month", start="2026-01-31", category="housing"
    )
    made = recurring.run(db, D("2026-04-30"))
    assert [e.date.isoformat() for e in made] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert {e.recur_id for e in made} == {series.id}
    service.remove(db, made[1].id)
    assert recurring.run(db, D("2026-04-30")) == []
    assert recurring.next_date(db, series) == D("2026-05-31")


def test_recurring_ends(db: Db) -> None:
    series = recurring.add(
        db, description="a", amount="1", every="2w", start="2026-08-01", until="2026-08-15"
    )
    assert [e.date.day for e in recurring.run(db, D("2027-01-01"))] == [1, 15]
    assert recurring.next_date(db, series) is None


def test_a_runaway_series_is_refused(db: Db) -> None:
    recurring.add(db, description="a", amount="1", every="day", start="1900-01-01")
    with pytest.raises(Invalid, match="more than"):
        recurring.run(db)


def test_periods_end_with_the_calendar(db: Db) -> None:
    for every in ("day", "month", "year", "9999d"):
        budget = budgets.put(db, amount="1", every=every)
        for day in ("0001-01-01", "9999-12-31"):
            period = budgets.status(db, budget, D(day)).period
            assert period.start is not None and period.start <= D(day)


def test_the_past_week_ends_today(db: Db) -> None:
    assert (past("week").start, past("week").end) == (D("2026-08-14"), D("2026-08-20"))
    assert past("3months").start == D("2026-05-21")
    with clock.frozen("2026-03-31T12:00:00Z"):
        assert past("month").start == D("2026-03-01")
        assert month_of("last").key == "2026-02"
    assert ALWAYS.start is None
