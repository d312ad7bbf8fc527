"""State machines declared as a table, from which the guard, the SQL, the documentation and the tests are made.

    ORDER = Machine("order", table="shop_order", initial="pending", moves=(
        Move("pay", "pending", "paid", "The payment has arrived"),
        Move("cancel", "pending", "cancelled", "The buyer or the clock gave up"),
    ))
    ORDER.move(db, id, "pay", paid_at=clock.now())

`move` is one guarded statement (`WHERE state = :from`): of two that try at once, one wins and the other is told why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .db import Db
from .errors import Conflict, NotFound


class IllegalMove(Conflict):
    """The thing is in a state that has no such way out (`details`: `state`, `allowed`)."""

    code = "illegal_move"


class Move(NamedTuple):
    """One way: what is done (`verb`), from which state to which, and when that happens."""

    verb: str
    source: str
    target: str
    when: str = ""


class Machine:
    """States of the rows of a table. A verb has at most one way out of each state."""

    def __init__(
        self, name: str, *, table: str, initial: str, moves: Sequence[Move], column: str = "state"
    ) -> None:
        """Raises ValueError for a table in which a verb has two ways out of a state, or a state cannot be reached."""
        self.name = name
        self.table = table
        self.column = column
        self.initial = initial
        self.moves = tuple(moves)
        self._ways = {(m.source, m.verb): m for m in self.moves}
        if len(self._ways) != len(self.moves):
            raise ValueError(f"{name}: a verb has two ways out of one state")
        if lost := set(self.states) - self._reachable():
            raise ValueError(f"{name}: nothing leads to {', '.join(sorted(lost))}")

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table."""
        return tuple(
            dict.fromkeys([self.initial, *(state for m in self.moves for state in (m.source, m.target))])
        )

    @property
    def verbs(self) -> tuple[str, ...]:
        """Every verb, in the order of the table."""
        return tuple(dict.fromkeys(m.verb for m in self.moves))

    @property
    def final(self) -> tuple[str, ...]:
        """States without a way out."""
        return tuple(state for state in self.states if not self.allowed(state))

    def allowed(self, state: str) -> tuple[str, ...]:
        """What can be done in a state."""
        return tuple(m.verb for m in self.moves if m.source == state)

    def target(self, state: str, verb: str) -> str:
        """Where a verb leads from a state. Raises IllegalMove."""
        way = self._ways.get((state, verb))
        if way is None:
            raise self._illegal(state, verb)
        return way.target

    def pairs(self) -> Iterator[tuple[str, str, str | None]]:
        """Every (state, verb, target), with None where there is no way: what a test goes through."""
        for state in self.states:
            for verb in self.verbs:
                way = self._ways.get((state, verb))
                yield state, verb, way.target if way else None

    def move(self, db: Db, id: Any, verb: str, /, **changes: Any) -> str:
        """Does a verb to the row `id`, with other columns changed along, and gives the new state.

        Raises IllegalMove and NotFound.
        """
        sets = "".join(f", {name} = :{name}" for name in changes)
        for way in (m for m in self.moves if m.verb == verb):
            sql = f"UPDATE {self.table} SET {self.column} = :to_{sets} WHERE id = :id_ AND {self.column} = :from_"
            if db.run(sql, id_=id, from_=way.source, to_=way.target, **changes):
                return way.target
        state = db.value(f"SELECT {self.column} FROM {self.table} WHERE id = :id", id=id)
        if state is None:
            raise NotFound(f"There is no {self.name} {id}.")
        raise self._illegal(str(state), verb)

    def markdown(self) -> str:
        """The table of the documentation."""
        lines = ["| from | does | to | when |", "|---|---|---|---|"]
        lines += [f"| {m.source} | {m.verb} | {m.target} | {m.when} |" for m in self.moves]
        return "\n".join(lines)

    def mermaid(self) -> str:
        """The diagram of the documentation."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        lines += [f"    {m.source} --> {m.target}: {m.verb}" for m in self.moves]
        lines += [f"    {state} --> [*]" for state in self.final]
        return "\n".join(lines)

    def _illegal(self, state: str, verb: str) -> IllegalMove:
        allowed = self.allowed(state)
        known = ", ".join(allowed) if allowed else "nothing any more"
        return IllegalMove(
            f"A {self.name} that is {state} cannot {verb}: it can {known}.",
            state=state,
            allowed=list(allowed),
        )

    def _reachable(self) -> set[str]:
        found, new = {self.initial}, {self.initial}
        while new:
            new = {m.target for m in self.moves if m.source in new} - found
            found |= new
        return found
