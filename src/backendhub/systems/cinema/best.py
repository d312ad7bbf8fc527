"""The best seats that are left, next to each other if there are such. Nothing here knows the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from .plan import Spot


def best(
    free: Sequence[Spot], number: int, *, accessible: int = 0, prevent_orphans: bool = True
) -> tuple[list[Spot], bool]:
    """`number` seats, nearest to the focal point, and whether they are next to each other; an empty list where there are
    not so many.

    Accessible seats are left to those who ask for them (`accessible`: at least so many). With `prevent_orphans` no block
    is taken that leaves a single seat alone, as long as there is another.
    """
    blocks = list(_blocks(free, number, accessible))
    sound = [b for b in blocks if not b.orphans] if prevent_orphans else blocks
    if chosen := min(sound or blocks, key=lambda b: b.cost, default=None):
        return list(chosen.seats), True
    return _scattered(free, number, accessible), False


class _Block:
    """Seats in a row, all free, and what taking them would leave."""

    def __init__(self, seats: Sequence[Spot], left: int, right: int) -> None:
        self.seats = seats
        self.orphans = (left == 1) + (right == 1)
        self.cost = (round(sum(s.distance for s in seats), 3), seats[0].label)


def _blocks(free: Sequence[Spot], number: int, accessible: int) -> Iterator[_Block]:
    for run in _runs(free):
        for start in range(len(run) - number + 1):
            seats = run[start : start + number]
            special = sum(s.flags.get("isAccessible", False) for s in seats)
            if special >= accessible and (accessible or not special):
                yield _Block(seats, start, len(run) - start - number)


def _runs(free: Sequence[Spot]) -> Iterator[list[Spot]]:
    """Free seats without a gap between them."""
    ordered = sorted((s for s in free if s.row), key=lambda s: (s.row, s.place))
    for _, row in groupby(enumerate(ordered), key=lambda pair: (pair[1].row, pair[1].place - pair[0])):
        yield [spot for _, spot in row]


def _scattered(free: Sequence[Spot], number: int, accessible: int) -> list[Spot]:
    """The nearest of all: those who need accessible seats get them first."""
    near = sorted((s for s in free if s.row), key=lambda s: (s.distance, s.label))
    special = [s for s in near if s.flags.get("isAccessible")]
    plain = [s for s in near if not s.flags.get("isAccessible")]
    chosen = special[:accessible] + plain[: number - accessible]
    return chosen if len(chosen) == number and len(special) >= accessible else []
