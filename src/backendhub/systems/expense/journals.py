"""Entries as plain-text accounting journals: hledger, ledger and beancount, with the recorded rates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from backendhub.kit.rates import Rate

from .models import Expense, Kind


def hledger(entries: Sequence[Expense], rates: Iterable[Rate]) -> Iterator[str]:
    """A journal for hledger."""
    yield "decimal-mark .\n\n"
    yield from _journal(entries, rates)


def ledger(entries: Sequence[Expense], rates: Iterable[Rate]) -> Iterator[str]:
    """A journal for ledger."""
    yield from _journal(entries, rates)


def _journal(entries: Sequence[Expense], rates: Iterable[Rate]) -> Iterator[str]:
    for rate in rates:
        yield f"P {rate.date} {rate.base} {rate.quote} {rate.decimal}\n"
    for e in entries:
        account, sign, other = _posting(e)
        amount, opposite = e.amount.decimal, "-" + e.amount.decimal
        if sign < 0:
            amount, opposite = opposite, amount
        yield (
            f"\n{e.date} * {_plain(e.description)}\n    {account}  {e.currency} {amount}\n"
            f"    {other}  {e.currency} {opposite}\n"
        )


def _posting(e: Expense) -> tuple[str, int, str]:
    """The account, the sign of its posting, and the account that the money came from or went to."""
    root = "income" if e.kind is Kind.INCOME else "expenses"
    return f"{root}:{e.category}", (1 if e.kind is Kind.EXPENSE else -1), "assets:cash"


def _plain(text: str) -> str:
    """A description that no journal takes for a comment, a code, a note or a status mark."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = line.translate({ord(";"): ",", ord("|"): "/", ord("("): "[", ord(")"): "]"})
    return re.sub(r"^[*!=\s]+", "", re.sub(r" {2,}", " ", line)).strip() or "-"


def beancount(entries: Sequence[Expense], rates: Iterable[Rate]) -> Iterator[str]:
    """A ledger for beancount: accounts are opened on the first day that they are used."""
    opened: dict[str, str] = {}
    for e in entries:
        for name in ("Assets:Cash", _account(e)):
            opened[name] = min(opened.get(name, "9999-12-31"), e.date.isoformat())
    for code in sorted({e.currency for e in entries}):
        yield f'option "operating_currency" "{code}"\n'
    yield from (f"{day} open {name}\n" for name, day in sorted(opened.items()))
    yield from (f"{r.date} price {r.base} {r.decimal} {r.quote}\n" for r in rates)
    for e in entries:
        sign, other = ("", "-") if e.kind is Kind.EXPENSE else ("-", "")
        text = "".join(c if c.isprintable() else " " for c in e.description)
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        yield (
            f'\n{e.date} * "{quoted}"\n  {_account(e)}  {sign}{e.amount.decimal} {e.currency}\n'
            f"  Assets:Cash  {other}{e.amount.decimal} {e.currency}\n"
        )


def _account(e: Expense) -> str:
    """A category as beancount spells accounts: `Expenses:Food:Eating-out`."""
    root = "Income" if e.kind is Kind.INCOME else "Expenses"
    parts = [re.sub(r"[^\w]|_", "-", part).strip("-") or "X" for part in e.category.split(":")]
    return ":".join([root, *(p[:1].upper() + p[1:] for p in parts)])


WRITERS: dict[str, Callable[[Sequence[Expense], Iterable[Rate]], Iterator[str]]] = {
    "hledger": hledger,
    "ledger": ledger,
    "beancount": beancount,
}
