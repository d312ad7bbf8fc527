"""Moving money: at once, or reserved first and then posted or voided; alone or several together.

Both accounts are read (on PostgreSQL locked before), the rules are looked at, the row is inserted. A trigger lets both
balances follow, and refuses a row that does not continue them. Nothing is written before the rules are met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
    now = encode(moment)
    debit, credit = _legs(db, move.debit, move.credit, now)
    if not _allowed(debit, credit, move.amount):
        # An id that is known answers as it did then, whatever has become of the accounts.
        return _repeated(db, move) or _refuse(debit, credit, move)
    row = _row(move, move.debit, move.credit, move.amount.minor)
    if move.kind is Kind.TRANSFER:
        return _insert(db, move.kind, store.MOVE, row, debit, credit, now) or _known(db, move)
    row["timeout_ms"] = None if move.timeout is None else move.timeout // _MS
    row["expires_at"] = None if move.timeout is None else moment + move.timeout
    return _insert(db, move.kind, store.RESERVE, row, debit, credit, now) or _known(db, move)


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
    debit, credit = _legs(db, pending.debit_id, pending.credit_id, now)
    row = _row(move, pending.debit_id, pending.credit_id, amount) | {"pending_id": pending.id}
    sql = store.POST if move.kind is Kind.POST else store.VOID
    made = _insert(db, move.kind, sql, row, debit, credit, now)
    if made is None:
        raise IdUsed(f"The id {move.id} belongs to another transfer.")
    return made


class _Leg(NamedTuple):
    """An account as PAIR reads it: its debits less its credits, its limit, and what is reserved on this side of it."""

    name: str
    book: str
    currency: str
    net: int
    lines: int
    moved_at: str
    closed_at: str | None
    limit: int | None
    reserved: int


def _legs(db: Db, debit: int, credit: int, now: str) -> tuple[_Leg, _Leg]:
    """The account to debit and the one to credit. Raises NotFound."""
    rows = db.fetch(store.PAIR, {"debit_id": debit, "credit_id": credit, "now": now})
    if not rows:
        get_account(db, debit)
        get_account(db, credit)
    return _Leg._make(rows[0][:9]), _Leg._make(rows[0][9:])


def _allowed(debit: _Leg, credit: _Leg, amount: Money) -> bool:
    """The rules of a new transfer."""
    return (
        debit.book == credit.book
        and debit.currency == credit.currency == amount.currency
        and debit.closed_at is None
        and credit.closed_at is None
        and (debit.limit is None or debit.net + amount.minor + debit.reserved <= debit.limit)
        and (credit.limit is None or amount.minor - credit.net + credit.reserved <= credit.limit)
    )


def _row(move: Move, debit: int, credit: int, amount: int) -> dict[str, Any]:
    return {
        "id": move.id,
        "kind": move.kind.value,
        "debit_id": debit,
        "credit_id": credit,
        "amount": amount,
        "code": move.code,
        "memo": move.memo,
    }


def _insert(
    db: Db, kind: Kind, sql: str, row: dict[str, Any], debit: _Leg, credit: _Leg, now: str
) -> Transfer | None:
    """Inserts a row, which the balances follow (a trigger); None where its id is taken.

    Its time is now, but never before the last line of either account, whatever the clocks say.
    """
    row["at"] = at = max(now, debit.moved_at, credit.moved_at)
    if kind is Kind.TRANSFER or kind is Kind.POST:
        amount = row["amount"]
        row["debit_line"], row["debit_balance"] = debit.lines + 1, debit.net + amount
        row["credit_line"], row["credit_balance"] = credit.lines + 1, credit.net - amount
    if not db.run(sql, **row):
        return None
    row["kind"], row["at"] = kind, datetime.fromisoformat(at)
    return Transfer(**row)


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
    if move.amount is None:
        if not move.pending:
            raise Invalid("A transfer has an amount.")
    elif not 0 < move.amount.minor <= LIMIT:
        raise Invalid(f"An amount is at least 1 and at most {LIMIT} minor units, not {move.amount.minor}.")
    if move.debit == move.credit and not move.pending:
        raise SameAccount("A transfer needs two accounts, not the same one twice.")
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


def _known(db: Db, move: Move) -> Transfer:
    known = _repeated(db, move)
    assert known is not None  # its id stood in the way of an INSERT
    return known


def _refuse(debit: _Leg, credit: _Leg, move: Move) -> Transfer:
    """Says which rule a transfer breaks, in the order of `_allowed`."""
    assert move.amount is not None
    if debit.book != credit.book:
        raise CurrencyMismatch("The accounts belong to different books.")
    if not debit.currency == credit.currency == move.amount.currency:
        others = f"{debit.currency} and {credit.currency}"
        raise CurrencyMismatch(f"{move.amount.currency} cannot move between {others} without a rate.")
    for leg, id in ((debit, move.debit), (credit, move.credit)):
        if leg.closed_at is not None:
            raise AccountClosed(f"The account {leg.name!r} is closed.", account=id)
    over = debit.limit is not None and debit.net + move.amount.minor + debit.reserved > debit.limit
    leg, id = (debit, move.debit) if over else (credit, move.credit)
    raise InsufficientFunds(
        f"{move.amount} would take the account {leg.name!r} beyond its limit.", account=id
    )


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
