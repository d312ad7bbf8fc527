"""State machines: the table decides, whoever asks first wins, and the documents are the table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from backendhub.kit.db import Db, Store
from backendhub.kit.errors import NotFound
from backendhub.kit.states import IllegalMove, Machine, Move

ORDER = Machine(
    "order",
    table="t_order",
    initial="pending",
    moves=(
        Move("pay", "pending", "paid", "The payment has arrived"),
        Move("ship", "paid", "shipped", "The parcel is on its way"),
        Move("cancel", "pending", "cancelled", "Nobody paid"),
        Move("cancel", "paid", "refunded", "The money goes back"),
    ),
)


def make(db: Db) -> None:
    db.run("CREATE TABLE t_order (id BIGINT PRIMARY KEY, state TEXT NOT NULL, note TEXT)")


@pytest.mark.parametrize(("state", "verb", "target"), list(ORDER.pairs()))
def test_every_pair_of_state_and_verb(db: Db, state: str, verb: str, target: str | None) -> None:
    make(db)
    db.run("INSERT INTO t_order (id, state) VALUES (1, :state)", state=state)
    if target is None:
        with pytest.raises(IllegalMove) as caught:
            ORDER.move(db, 1, verb)
        assert caught.value.details == {"state": state, "allowed": list(ORDER.allowed(state))}
        assert db.value("SELECT state FROM t_order") == state
    else:
        assert ORDER.target(state, verb) == ORDER.move(db, 1, verb, note="why") == target
        assert db.fetch("SELECT state, note FROM t_order", {}) == [(target, "why")]


def test_of_ten_that_pay_one_does(store: Store) -> None:
    store.unit(make)
    store.unit(lambda db: db.run("INSERT INTO t_order (id, state) VALUES (1, 'pending')"))
    start = Barrier(10)

    def pay(_: int) -> str:
        start.wait()
        try:
            return store.unit(ORDER.move, 1, "pay")
        except IllegalMove as error:
            return str(error.details["state"])

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(pay, range(10)))
    assert results == ["paid"] * 10  # one made it so, nine were told that it is
    assert store.read(lambda db: db.value("SELECT state FROM t_order")) == "paid"


def test_no_row_is_not_found(db: Db) -> None:
    make(db)
    with pytest.raises(NotFound):
        ORDER.move(db, 7, "pay")


def test_the_documents_are_the_table() -> None:
    assert ORDER.states == ("pending", "paid", "shipped", "cancelled", "refunded")
    assert ORDER.final == ("shipped", "cancelled", "refunded")
    assert "| paid | cancel | refunded | The money goes back |" in ORDER.markdown()
    assert ORDER.mermaid().splitlines()[:3] == [
        "stateDiagram-v2",
        "    [*] --> pending",
        "    pending --> paid: pay",
    ]


def test_tables_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="two ways"):
        Machine("x", table="x", initial="a", moves=(Move("go", "a", "b"), Move("go", "a", "c")))
    with pytest.raises(ValueError, match="nothing leads to"):
        Machine("x", table="x", initial="a", moves=(Move("go", "a", "b"), Move("go", "c", "d")))
