"""Moving money: at once, or reserved first and then posted or voided; alone or several together.

One statement reads both accounts (on PostgreSQL locked before), looks at the rules and inserts the row. A trigger lets
both balances follow, and refuses a row that does not continue them. Nothing is written unless the rules are met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import HubError, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.money import LIMIT, Money

from . import store
from .accounts import get_account, lock
from .models import (
    AccountClosed,
    CurrencyMismatch,
    IdUsed,
    InsufficientFunds,
    Kind,
    Move,
    NotPending,
    SameAccount,
    Transfer,
)

MAX_TEXT = 500
MAX_TIMEOUT = timedelta(days=3660)
_MS = timedelta(milliseconds=1)


def transfer(
    db: Db, *, debit: int, credit: int, amount: Money, id: str | None = None, code: str = "", memo: str = ""
) -> Transfer:
    """Debits one account and credits another, at once.

    The same `id` again gives the same transfer and moves nothing. Raises NotFound, SameAccount, CurrencyMismatch,
    AccountClosed, InsufficientFunds, IdUsed (the id has other content) and Invalid (amount, lengths).
    """
    return apply(db, Move(Kind.TRANSFER, id or uuid7(), debit, credit, amount, code=code, memo=memo))


def reserve(
    db: Db,
    *,
    debit: int,
    credit: int,
    amount: Money,
    timeout: timedelta | None = None,
    id: str | None = None,
    code: str = "",
    memo: str = "",
) -> Transfer:
    """A pending transfer: the amount counts against limits until it is posted, voided, or `timeout` has passed.

    Raises what `transfer` raises.
    """
    return apply(
        db, Move(Kind.PENDING, id or uuid7(), debit, credit, amount, timeout=timeout, code=code, memo=memo)
    )


def post(
    db: Db,
    pending: str,
    *,
    amount: Money | None = None,
    id: str | None = None,
    code: str = "",
    memo: str = "",
) -> Transfer:
    """Moves what is pending, or a part of it; the rest is released. Raises NotPending, NotFound, Invalid, IdUsed."""
    return apply(db, Move(Kind.POST, id or uuid7(), amount=amount, pending=pending, code=code, memo=memo))


def void(db: Db, pending: str, *, id: str | None = None, code: str = "", memo: str = "") -> Transfer:
    """Releases all that is pending. Raises NotPending, NotFound, IdUsed."""
    return apply(db, Move(Kind.VOID, id or uuid7(), pending=pending, code=code, memo=memo))


def batch(db: Db, moves: Sequence[Move]) -> list[Transfer]:
    """All of these, in order, or none: what the first that fails raises has its place as `details["index"]`."""
    if db.dialect == "postgres":
        lock(db, *_accounts(db, moves))
    done: list[Transfer] = []
    try:
        with db.savepoint():
            for move in moves:
                done.append(apply(db, move))
    except HubError as error:
        error.details["index"] = len(done)
        raise
    return done


def sweep(db: Db, book: str) -> int:
    """Deletes reservations of a book whose time is over by the clock of this block; gives their number. They count for
    nothing any more: it only tidies."""
    return db.run(store.SWEEP, now=clock.precise(), book=book)


def get_transfer(db: Db, id: str) -> Transfer:
    """One transfer. Raises NotFound."""
    found = db.one(Transfer, store.ONE_TRANSFER, id=id)
    if found is None:
        raise NotFound(f"There is no transfer {id}.")
    return found


def resolution(db: Db, pending: Transfer) -> Transfer | None:
    """The post or void of a pending transfer, None while there is none."""
    return db.one(Transfer, store.RESOLUTION, id=pending.id)


def apply(db: Db, move: Move) -> Transfer:
    """Makes one move; the functions above are this with names."""
    _check(move)
    if move.kind is Kind.POST or move.kind is Kind.VOID:
        return _resolve(db, move)
    assert move.amount is not None
    lock(db, move.debit, move.credit)
    moment = clock.precise()
    row: dict[str, Any] = {"currency": move.amount.currency, "now": encode(moment)}
    sql = store.MOVE
    if move.kind is Kind.PENDING:
        sql = store.RESERVE
        row["timeout_ms"] = None if move.timeout is None else move.timeout // _MS
        row["expires_at"] = None if move.timeout is None else moment + move.timeout
    # An id that is known answers as it did then, whatever has become of the accounts.
    return (
        _insert(db, move, sql[db.dialect], move.debit, move.credit, move.amount.minor, row)
        or _repeated(db, move)
        or _refuse(db, move, row["now"])
    )


def _resolve(db: Db, move: Move) -> Transfer:
    pending = db.one(Transfer, store.ONE_TRANSFER, id=move.pending)
    if pending is None or pending.kind is not Kind.PENDING:
        raise NotFound(f"There is no pending transfer {move.pending}.")
    amount = _posted(db, move, pending)
    if (before := _repeated(db, move)) is not None:
        return before
    lock(db, pending.debit_id, pending.credit_id)
    now = encode(clock.precise())
    if not db.run(store.CLAIM_PENDING, id=pending.id, now=now):
        return _repeated(db, move) or _not_pending(db, pending)
    # Within its reservation a post needs no look at limits: `limit_account` and `close_account` respect what is reserved.
    row = {"pending_id": pending.id, "now": now}
    sql = store.POST if move.kind is Kind.POST else store.VOID
    made = _insert(db, move, sql[db.dialect], pending.debit_id, pending.credit_id, amount, row)
    if made is None:
        raise IdUsed(f"The id {move.id} belongs to another transfer.")
    return made


def _insert(
    db: Db, move: Move, sql: str, debit: int, credit: int, amount: int, row: dict[str, Any]
) -> Transfer | None:
    """Inserts a row, which the balances follow (a trigger); None where a rule forbids it or its id is taken."""
    row["id"], row["kind"], row["code"], row["memo"] = move.id, move.kind.value, move.code, move.memo
    row["debit_id"], row["credit_id"], row["amount"] = debit, credit, amount
    made = db.fetch(sql, row)
    if not made:
        return None
    at, *lines = made[0]
    return Transfer(
        move.id,
        move.kind,
        debit,
        credit,
        amount,
        move.code,
        move.memo,
        datetime.fromisoformat(at),
        row.get("pending_id"),
        row.get("timeout_ms"),
        row.get("expires_at"),
        *lines,
    )


def _posted(db: Db, move: Move, pending: Transfer) -> int:
    """How much a resolution is about: all of it unless a post says less."""
    if move.amount is None:
        return pending.amount
    currency = db.value(store.CURRENCY, id=pending.debit_id)
    if move.amount.currency != currency:
        raise CurrencyMismatch(f"{move.amount.currency} cannot post what is pending in {currency}.")
    if move.amount.minor > pending.amount:
        raise Invalid(f"{move.amount} is more than the {Money(pending.amount, currency)} that is pending.")
    return move.amount.minor


def _check(move: Move) -> None:
    if not 0 < len(move.id) <= MAX_TEXT or len(move.code) > MAX_TEXT or len(move.memo) > MAX_TEXT:
        raise Invalid(
            f"Id, code and memo of a transfer have at most {MAX_TEXT} characters, an id at least one."
        )
    if "\x00" in move.id or "\x00" in move.code or "\x00" in move.memo:
        raise Invalid("Id, code and memo of a transfer hold no NUL.")
    resolves = move.kind is Kind.POST or move.kind is Kind.VOID
    if move.amount is None:
        if not resolves:
            raise Invalid("A transfer has an amount.")
    elif move.kind is Kind.VOID:
        raise Invalid("A void releases all that is pending: it has no amount.")
    elif not 0 < move.amount.minor <= LIMIT:
        raise Invalid(f"An amount is at least 1 and at most {LIMIT} minor units, not {move.amount.minor}.")
    if move.debit == move.credit and not resolves:
        raise SameAccount("A transfer needs two accounts, not the same one twice.")
    if move.timeout is not None and move.kind is not Kind.PENDING:
        raise Invalid("Only what is pending has a timeout.")
    if move.timeout is not None and not _MS <= move.timeout <= MAX_TIMEOUT:
        raise Invalid(f"A timeout is between a millisecond and {MAX_TIMEOUT.days} days.")


def _repeated(db: Db, move: Move) -> Transfer | None:
    """The transfer that has this id already, if any. Raises IdUsed where it is about something else."""
    known = db.one(Transfer, store.ONE_TRANSFER, id=move.id)
    if known is None:
        return None
    same = (known.kind, known.code, known.memo) == (move.kind, move.code, move.memo)
    if move.pending:
        pending = db.one(Transfer, store.ONE_TRANSFER, id=move.pending)
        wanted = move.amount.minor if move.amount else pending.amount if pending else 0
        same = same and known.pending_id == move.pending and known.amount == wanted
    else:
        assert move.amount is not None
        timeout = None if move.timeout is None else move.timeout // _MS
        same = (
            same
            and (known.debit_id, known.credit_id) == (move.debit, move.credit)
            and (known.amount, known.timeout_ms) == (move.amount.minor, timeout)
            and db.value(store.CURRENCY, id=move.debit) == move.amount.currency
        )
    if not same:
        raise IdUsed(f"The id {move.id} belongs to a transfer with other content.")
    return known


def _refuse(db: Db, move: Move, now: str) -> Transfer:
    """Says which rule a transfer breaks. Raises NotFound and what the rules are."""
    assert move.amount is not None
    rows = db.fetch(store.PAIR, {"debit_id": move.debit, "credit_id": move.credit, "now": now})
    if not rows:
        get_account(db, move.debit)
        get_account(db, move.credit)
    debit, debit_book, debit_currency, debit_closed, over, credit, book, currency, credit_closed = rows[0]
    if debit_book != book:
        raise CurrencyMismatch("The accounts belong to different books.")
    if not debit_currency == currency == move.amount.currency:
        others = f"{debit_currency} and {currency}"
        raise CurrencyMismatch(f"{move.amount.currency} cannot move between {others} without a rate.")
    for name, id, closed in ((debit, move.debit, debit_closed), (credit, move.credit, credit_closed)):
        if closed is not None:
            raise AccountClosed(f"The account {name!r} is closed.", account=id)
    beyond = over is not None and over + move.amount.minor > 0
    name, id = (debit, move.debit) if beyond else (credit, move.credit)
    raise InsufficientFunds(f"{move.amount} would take the account {name!r} beyond its limit.", account=id)


def _not_pending(db: Db, pending: Transfer) -> Transfer:
    done = resolution(db, pending)
    why = "expired" if done is None else {Kind.POST: "posted", Kind.VOID: "voided"}[done.kind]
    raise NotPending(f"The transfer {pending.id} is {why}.", why=why)


def _accounts(db: Db, moves: Iterable[Move]) -> set[int]:
    """Every account that a batch touches."""
    found = {id for move in moves if not move.pending for id in (move.debit, move.credit)}
    if pending := [move.pending for move in moves if move.pending]:
        for pair in db.fetch(store.ACCOUNTS_ON_POSTGRES, {"ids": pending}):
            found.update(pair)
    return found
