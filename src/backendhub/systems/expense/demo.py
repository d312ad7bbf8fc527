"""Sample books of three months, made through the services as a person would make them."""

from __future__ import annotations

from datetime import date, timedelta

from backendhub.kit import clock, rates, when
from backendhub.kit.db import Db

from . import budgets, recurring, rules, service

# (days ago, description, amount, category or None to have it guessed, kind)
SAMPLE: tuple[tuple[int, str, str, str | None, str], ...] = (
    (84, "REWE City 0442", "43.18", "groceries", "expense"),
    (77, "REWE City 0442", "51.70", "groceries", "expense"),
    (74, "Dentist Dr. Okafor", "85", None, "expense"),
    (70, "Train to Lisbon", "64.90 EUR", None, "expense"),
    (69, "Hotel Alfama", "210 EUR", None, "expense"),
    (63, "REWE City 0442", "38.05", None, "expense"),
    (55, "Running shoes", "119.95", None, "expense"),
    (52, "Running shoes, wrong size", "119.95", "clothing", "refund"),
    (48, "Corner kiosk", "4.20", "food:snacks", "expense"),
    (41, "Corner kiosk", "3.80", "food:snacks", "expense"),
    (35, "Electricity", "72.40", None, "expense"),
    (27, "Headphones", "149", None, "expense"),
    (20, "REWE City 0442", "47.33", None, "expense"),
    (13, "Lunch with Noor", "26.50", None, "expense"),
    (9, "Museum tickets", "28", None, "expense"),
    (6, "Udemy course", "19.99", None, "expense"),
    (2, "Station kiosk", "5.10", None, "expense"),
    (1, "Uber to the airport", "31.20", None, "expense"),
)


def load(db: Db) -> int:
    """Adds the sample and says how many entries that were: 0 where there are entries already."""
    if service.count(db):
        return 0
    today = clock.today()
    start = when.add(today.replace(day=1), -2, "m")
    rates.add(db, base="EUR", quote="USD", rate="1.08", on=start - timedelta(days=31), source="sample")
    rates.add(db, base="EUR", quote="USD", rate="1.10", on=start + timedelta(days=31), source="sample")
    rules.add(db, pattern="^gym ", category="health:sports")
    budgets.put(db, amount="1800")
    budgets.put(db, amount="120", category="groceries", every="fortnight", rollover=True)
    _series(db, start)
    for ago, description, amount, category, kind in SAMPLE:
        day = today - timedelta(days=ago)
        service.add(db, description=description, amount=amount, date=day, category=category, kind=kind)
    recurring.run(db)
    return service.count(db)


def _series(db: Db, start: date) -> None:
    recurring.add(db, description="Rent", amount="900", every="month", start=start, category="housing")
    recurring.add(db, description="Gym membership", amount="29", every="month", start=start)
    pay = start + timedelta(days=26)
    recurring.add(db, description="Salary", amount="3200", every="month", start=pay, kind="income")
