"""The rules of the ledger, one by one, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from backendhub.kit import clock, ledger
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Invalid, NotFound
from backendhub.kit.ledger import Kind, Move, Side
from backendhub.kit.money import Money

SYSTEM = "ledger"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def three(db: Db, frozen: Callable[[str], None]) -> tuple[int, int, int]:
    """The world outside, and two customers who may not overdraw; the first has 10.00."""
    world = ledger.open_account(db, book="t", name="world", currency="EUR", side=Side.DEBIT).id
    a, b = (
        ledger.open_account(db, book="t", name=name, currency="EUR", side=Side.CREDIT, max_debit=0).id
        for name in "ab"
    )
    ledger.transfer(db, debit=world, credit=a, amount=eur(1000))
    return world, a, b


def posted(db: Db, account: int) -> int:
    return ledger.balance(db, account).posted


def test_a_transfer_moves_both_balances(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    made = ledger.transfer(db, debit=a, credit=b, amount=eur(300), code="pay", memo="lunch")
    assert (made.kind, made.amount, made.code, made.memo) == (Kind.TRANSFER, 300, "pay", "lunch")
    assert [posted(db, x) for x in three] == [1000, 700, 300]
    assert ledger.get_transfer(db, made.id) == made
    assert ledger.verify(db, "t").ok


def test_no_overdraft_to_the_last_cent(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    with pytest.raises(ledger.InsufficientFunds) as caught:
        ledger.transfer(db, debit=a, credit=b, amount=eur(1001))
    assert caught.value.details["account"] == a
    ledger.transfer(db, debit=a, credit=b, amount=eur(1000))
    with pytest.raises(ledger.InsufficientFunds):
        ledger.transfer(db, debit=a, credit=b, amount=eur(1))
    assert [posted(db, x) for x in three] == [1000, 0, 1000]


def test_an_arranged_overdraft_and_its_mirror(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    ledger.limit_account(db, a, max_debit=500, max_credit=None)
    ledger.transfer(db, debit=a, credit=b, amount=eur(1500))
    assert (posted(db, a), ledger.balance(db, a).available) == (-500, 0)
    with pytest.raises(Conflict):  # it is a cent over the limit that would be set
        ledger.limit_account(db, a, max_debit=499, max_credit=None)
    # A cash box never holds less than nothing: credits must not exceed debits.
    box = ledger.open_account(db, book="t", name="box", currency="EUR", side=Side.DEBIT, max_credit=0).id
    with pytest.raises(ledger.InsufficientFunds) as caught:
        ledger.transfer(db, debit=b, credit=box, amount=eur(1))
    assert caught.value.details["account"] == box


@pytest.mark.parametrize("minor", [0, -1, 10**13 + 1, 2**63])
def test_amounts_have_bounds(db: Db, three: tuple[int, int, int], minor: int) -> None:
    with pytest.raises(Invalid):
        ledger.transfer(db, debit=three[0], credit=three[1], amount=eur(minor))


def test_the_largest_amount_is_accepted(db: Db, three: tuple[int, int, int]) -> None:
    ledger.transfer(db, debit=three[0], credit=three[1], amount=eur(10**13))
    assert posted(db, three[1]) == 10**13 + 1000


def test_same_account_other_currency_other_book_no_account(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    usd = ledger.open_account(db, book="t", name="a", currency="USD", side=Side.CREDIT).id
    foreign = ledger.open_account(db, book="u", name="a", currency="EUR", side=Side.CREDIT).id
    with pytest.raises(ledger.SameAccount):
        ledger.transfer(db, debit=a, credit=a, amount=eur(1))
    for debit, credit, amount in ((a, usd, eur(1)), (a, b, Money(1, "USD")), (a, foreign, eur(1))):
        with pytest.raises(ledger.CurrencyMismatch):
            ledger.transfer(db, debit=debit, credit=credit, amount=amount)
    with pytest.raises(NotFound):
        ledger.transfer(db, debit=a, credit=999, amount=eur(1))
    assert [posted(db, x) for x in three] == [1000, 1000, 0]


def test_an_id_is_one_transfer(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    first = ledger.transfer(db, debit=a, credit=b, amount=eur(400), id="key-1")
    assert ledger.transfer(db, debit=a, credit=b, amount=eur(400), id="key-1") == first
    for values in (
        {"debit": a, "credit": b, "amount": eur(401)},
        {"debit": b, "credit": a, "amount": eur(400)},
        {"debit": a, "credit": b, "amount": Money(400, "USD")},
        {"debit": a, "credit": b, "amount": eur(400), "memo": "other"},
    ):
        with pytest.raises(ledger.IdUsed):
            ledger.transfer(db, id="key-1", **values)
    with pytest.raises(ledger.IdUsed):
        ledger.reserve(db, debit=a, credit=b, amount=eur(400), id="key-1")
    assert posted(db, b) == 400


def test_an_id_answers_as_it_did_even_when_the_money_is_gone(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    first = ledger.transfer(db, debit=a, credit=b, amount=eur(1000), id="all")
    ledger.close_account(db, a)
    assert ledger.transfer(db, debit=a, credit=b, amount=eur(1000), id="all") == first


def test_what_is_pending_is_reserved_and_moves_nothing(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    pending = ledger.reserve(db, debit=a, credit=b, amount=eur(600))
    held = ledger.balance(db, a)
    assert (held.posted, held.reserved, held.available) == (1000, 600, 400)
    assert (ledger.balance(db, b).posted, ledger.balance(db, b).incoming) == (0, 600)
    with pytest.raises(ledger.InsufficientFunds):
        ledger.transfer(db, debit=a, credit=b, amount=eur(401))
    assert [t.id for t in ledger.pending_of(db, a)] == [pending.id]
    with pytest.raises(Conflict):
        ledger.close_account(db, a)


def test_a_post_releases_the_rest(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    pending = ledger.reserve(db, debit=a, credit=b, amount=eur(600), id="auth")
    with pytest.raises(Invalid):
        ledger.post(db, "auth", amount=eur(601))
    with pytest.raises(ledger.CurrencyMismatch):
        ledger.post(db, "auth", amount=Money(1, "USD"))
    done = ledger.post(db, "auth", amount=eur(250), id="capture")
    assert (done.kind, done.amount, done.pending_id) == (Kind.POST, 250, pending.id)
    assert ledger.resolution(db, pending) == done
    assert ledger.post(db, "auth", amount=eur(250), id="capture") == done
    after = ledger.balance(db, a)
    assert (after.posted, after.reserved, posted(db, b)) == (750, 0, 250)
    assert ledger.verify(db).ok


@pytest.mark.parametrize("first", ["post", "void"])
@pytest.mark.parametrize("second", ["post", "void"])
def test_one_resolution_only(db: Db, three: tuple[int, int, int], first: str, second: str) -> None:
    _, a, b = three
    pending = ledger.reserve(db, debit=a, credit=b, amount=eur(600))
    getattr(ledger, first)(db, pending.id)
    with pytest.raises(ledger.NotPending) as caught:
        getattr(ledger, second)(db, pending.id)
    assert caught.value.details["why"] == {"post": "posted", "void": "voided"}[first]
    assert posted(db, b) == (600 if first == "post" else 0)


def test_nothing_but_a_pending_transfer_is_resolved(db: Db, three: tuple[int, int, int]) -> None:
    plain = ledger.transfer(db, debit=three[1], credit=three[2], amount=eur(1))
    for id in (plain.id, "nothing"):
        with pytest.raises(NotFound):
            ledger.post(db, id)


@pytest.mark.parametrize(("after_ms", "open_"), [(9999, True), (10_000, False), (10_001, False)])
def test_a_timeout_at_t_minus_1_t_and_t_plus_1(
    db: Db, three: tuple[int, int, int], frozen: Callable[[str], None], after_ms: int, open_: bool
) -> None:
    _, a, b = three
    pending = ledger.reserve(db, debit=a, credit=b, amount=eur(1000), timeout=timedelta(seconds=10))
    with clock.frozen(clock.precise() + timedelta(milliseconds=after_ms)):
        assert ledger.balance(db, a).available == (0 if open_ else 1000)
        if open_:
            with pytest.raises(ledger.InsufficientFunds):
                ledger.transfer(db, debit=a, credit=b, amount=eur(1))
            ledger.post(db, pending.id)
        else:  # nothing was swept: time alone has released it
            with pytest.raises(ledger.NotPending) as caught:
                ledger.post(db, pending.id)
            assert caught.value.details["why"] == "expired"
            ledger.transfer(db, debit=a, credit=b, amount=eur(1000))
            assert ledger.pending_of(db, a) == []
            assert ledger.sweep(db, "t") == 1
        assert posted(db, b) == 1000
        assert ledger.verify(db).ok


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(seconds=-1), timedelta(days=99_999)])
def test_timeouts_have_bounds(db: Db, three: tuple[int, int, int], timeout: timedelta) -> None:
    with pytest.raises(Invalid):
        ledger.reserve(db, debit=three[1], credit=three[2], amount=eur(1), timeout=timeout)


def test_a_batch_is_all_or_nothing(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three

    def move(id: str, debit: int, credit: int, minor: int) -> Move:
        return Move(Kind.TRANSFER, id, debit, credit, eur(minor))

    with pytest.raises(ledger.InsufficientFunds) as caught:
        ledger.batch(db, [move("1", a, b, 900), move("2", b, a, 100), move("3", a, b, 500)])
    assert caught.value.details["index"] == 2
    assert [posted(db, x) for x in three] == [1000, 1000, 0]
    moves = [
        move("1", a, b, 900),
        Move(Kind.PENDING, "2", b, a, eur(500)),
        Move(Kind.POST, "3", pending="2", amount=eur(200)),
    ]
    done = ledger.batch(db, moves)
    assert ledger.batch(db, moves) == done
    assert [posted(db, x) for x in three] == [1000, 300, 700]
    assert ledger.verify(db).ok


def test_a_closed_account_moves_nothing(db: Db, three: tuple[int, int, int]) -> None:
    _, a, b = three
    ledger.close_account(db, b)
    assert ledger.close_account(db, b).closed_at is not None
    for debit, credit in ((a, b), (b, a)):
        with pytest.raises(ledger.AccountClosed):
            ledger.transfer(db, debit=debit, credit=credit, amount=eur(1))
    ledger.reopen_account(db, b)
    ledger.transfer(db, debit=a, credit=b, amount=eur(1))


def test_an_account_is_opened_once(db: Db) -> None:
    values = {"book": "t", "name": "fees", "currency": "EUR"}
    first = ledger.open_account(db, **values, side=Side.CREDIT)
    assert ledger.open_account(db, **values, side=Side.CREDIT) == first
    with pytest.raises(Conflict):
        ledger.open_account(db, **values, side=Side.DEBIT)
    with pytest.raises(Invalid):
        ledger.open_account(db, book="t", name="x", currency="XXX", side=Side.DEBIT)
    assert ledger.accounts_of(db, "t") == [first]


def test_balances_at_any_time(db: Db, three: tuple[int, int, int], frozen: Callable[[str], None]) -> None:
    _, a, b = three
    account = ledger.get_account(db, a)
    times = [clock.precise() + timedelta(hours=n) for n in (1, 2, 3)]
    for at, amount in zip(times, (100, 200, 300), strict=True):
        with clock.frozen(at):
            ledger.transfer(db, debit=a, credit=b, amount=eur(amount))
    ms = timedelta(milliseconds=1)
    seen = [ledger.posted_at(db, account, at + gap) for at in times for gap in (-ms, 0 * ms, ms)]
    assert seen == [1000, 900, 900, 900, 700, 700, 700, 400, 400]
    assert ledger.posted_at(db, account, account.created_at - timedelta(days=1)) == 0


def test_a_clock_that_goes_back_does_not_mix_up_a_statement(
    db: Db, three: tuple[int, int, int], frozen: Callable[[str], None]
) -> None:
    _, a, b = three
    with clock.frozen("2026-02-01T00:00:00Z"):
        first = ledger.transfer(db, debit=a, credit=b, amount=eur(1))
    second = ledger.transfer(db, debit=b, credit=a, amount=eur(1))
    assert second.at == first.at
    assert ledger.verify(db).ok


def test_statements_page_by_key_in_both_directions(
    db: Db, three: tuple[int, int, int], frozen: Callable[[str], None]
) -> None:
    _, a, b = three
    for n in range(1, 8):
        ledger.transfer(db, debit=a, credit=b, amount=eur(n), id=f"t{n}")
        ledger.transfer(db, debit=b, credit=a, amount=eur(n), id=f"u{n}")
    account = ledger.get_account(db, b)
    for newest in (True, False):
        lines, cursor = [], None
        while True:
            page = ledger.entries(db, account, newest=newest, limit=3, cursor=cursor)
            lines += page.items
            if (cursor := page.next) is None:
                break
        numbers = [line.line for line in lines]
        assert numbers == (list(range(14, 0, -1)) if newest else list(range(1, 15)))
    assert [(line.amount, line.balance) for line in lines[:4]] == [(1, 1), (-1, 0), (2, 2), (-2, 0)]
    assert {line.other_id for line in lines} == {a}
    with pytest.raises(NotFound):
        ledger.entries(db, account, cursor="garbage")
    assert ledger.entries(db, account, since=clock.precise() + timedelta(seconds=1)).items == []
    assert ledger.entries(db, account, until=clock.precise()).items == []


FORBIDDEN = [
    "UPDATE ledger_transfer SET amount = amount + 1",
    "DELETE FROM ledger_transfer",
    "DELETE FROM ledger_account",
    "UPDATE ledger_account SET currency = 'USD'",
    "UPDATE ledger_account SET debits = credits + 1 WHERE max_debit = 0",
    "INSERT INTO ledger_transfer (id, kind, debit_id, credit_id, amount, code, memo, at, debit_line, debit_balance, "
    "credit_line, credit_balance) SELECT 'forged', 'transfer', debit_id, credit_id, 5, '', '', at, 9, 9, 9, 9 "
    "FROM ledger_transfer",
    # the next line and the right balances, but not after the line before
    "INSERT INTO ledger_transfer (id, kind, debit_id, credit_id, amount, code, memo, at, debit_line, debit_balance, "
    "credit_line, credit_balance) SELECT 'loose', 'transfer', d.id, c.id, 5, '', '', d.moved_at, d.lines + 1, "
    "d.debits - d.credits + 5, c.lines + 1, c.debits - c.credits - 5 FROM ledger_account d, ledger_account c "
    "WHERE d.name = 'a' AND c.name = 'b'",
    "INSERT INTO ledger_transfer (id, kind, debit_id, credit_id, amount, code, memo, at) "
    "SELECT 'half', 'transfer', debit_id, credit_id, 5, '', '', at FROM ledger_transfer",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_the_database_itself_refuses(db: Db, three: tuple[int, int, int], sql: str) -> None:
    with pytest.raises(HubError), db.savepoint():
        db.run(sql)
    assert ledger.verify(db).ok


TAMPERED = {
    "ledger sums to zero": "UPDATE ledger_account SET credits = credits + 5 WHERE name = 'b'",
    "balances are their transfers": "UPDATE ledger_account SET debits = debits + 5, credits = credits + 5",
    "what is pending is reserved": "DELETE FROM ledger_pending",
    "statements are found": "UPDATE ledger_account SET last_id = NULL",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_verify_finds_what_was_tampered_with(db: Db, three: tuple[int, int, int], name: str) -> None:
    ledger.reserve(db, debit=three[1], credit=three[2], amount=eur(5))
    assert ledger.verify(db).ok
    assert db.run(TAMPERED[name])
    report = ledger.verify(db)
    assert not report.ok
    assert name in [check.name for check in report.checks if not check.ok]


def test_a_test_clock_is_for_its_block_alone(db: Db, three: tuple[int, int, int]) -> None:
    with clock.traveling("2031-01-01T00:00:00Z"):
        assert ledger.transfer(db, debit=three[1], credit=three[2], amount=eur(1)).at.year == 2031
    with clock.traveling(None):
        assert clock.now().year != 2031


CROOKED = {
    "a transfer without an amount": Move(Kind.TRANSFER, "x", 1, 2, pending="p"),
    "a void with one": Move(Kind.VOID, "x", amount=eur(1), pending="p"),
    "a transfer with a timeout": Move(Kind.TRANSFER, "x", 1, 2, eur(1), timeout=timedelta(seconds=1)),
    "an id with a NUL": Move(Kind.TRANSFER, "x\x00", 1, 2, eur(1)),
    "a code with a NUL": Move(Kind.TRANSFER, "x", 1, 2, eur(1), code="\x00"),
    "a memo with a NUL": Move(Kind.TRANSFER, "x", 1, 2, eur(1), memo="a\x00b"),
    "a post with a timeout": Move(Kind.POST, "x", pending="p", timeout=timedelta(seconds=1)),
}


@pytest.mark.parametrize("move", CROOKED.values(), ids=CROOKED)
def test_a_move_says_what_its_kind_has(db: Db, move: Move) -> None:
    with pytest.raises(Invalid):
        ledger.apply(db, move)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\x00"])
def test_names_of_accounts_have_bounds(db: Db, name: str) -> None:
    for names in ({"book": name, "name": "a"}, {"book": "t", "name": name}):
        with pytest.raises(Invalid):
            ledger.open_account(db, **names, currency="EUR", side=Side.DEBIT)


def test_a_post_in_time_holds_though_another_clock_is_ahead(db: Db, three: tuple[int, int, int]) -> None:
    """Its row bears the time of the line before it, which is later than the end of what was pending."""
    world, a, b = three
    held = ledger.reserve(db, debit=a, credit=b, amount=eur(100), timeout=timedelta(seconds=5))
    with clock.traveling(clock.precise() + timedelta(seconds=9)):
        ledger.transfer(db, debit=world, credit=a, amount=eur(1))
    posted_ = ledger.post(db, held.id)
    assert held.expires_at is not None
    assert posted_.at > held.expires_at
    assert ledger.verify(db, "t").ok
