"""The best seats that are left: near, next to each other, and nobody is left alone where it can be helped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.systems.cinema import plan
from backendhub.systems.cinema.best import best
from backendhub.systems.cinema.plan import Spot


def hall(*counts: int) -> list[Spot]:
    rows: dict[str, tuple[int, int | str]] = {chr(65 + n): (count, 1) for n, count in enumerate(counts)}
    return plan.spots(plan.hall("x", rows, [{"key": 1, "label": "x", "color": "#fff"}]))


def labels(found: tuple[list[Spot], bool]) -> list[str]:
    return [s.label for s in found[0]]


def alone(free: list[Spot], taken: list[Spot]) -> set[str]:
    """The seats that stand alone once some are taken."""
    left = {s.label for s in free} - {s.label for s in taken}
    return {s.label for s in free if s.label in left and s.left not in left and s.right not in left}


@pytest.mark.parametrize(
    ("seats", "number", "prevent", "expected"),
    [
        (5, 2, False, ["A-2", "A-3"]),
        (5, 2, True, ["A-1", "A-2"]),
        (5, 3, True, ["A-1", "A-2", "A-3"]),
        (5, 3, False, ["A-2", "A-3", "A-4"]),
        (5, 4, True, ["A-1", "A-2", "A-3", "A-4"]),  # one stays alone whatever is taken
        (5, 5, True, ["A-1", "A-2", "A-3", "A-4", "A-5"]),
    ],
)
def test_one_row(seats: int, number: int, prevent: bool, expected: list[str]) -> None:
    found = best(hall(seats), number, prevent_orphans=prevent)
    assert (labels(found), found[1]) == (expected, True)


def test_a_row_further_away_is_better_than_a_seat_alone() -> None:
    free = [s for s in hall(3, 4) if s.label not in ("B-1",)]
    assert labels(best(free, 2)) in (["A-1", "A-2"], ["A-2", "A-3"], ["B-2", "B-3"], ["B-3", "B-4"])
    assert labels(best(free, 3)) == ["B-2", "B-3", "B-4"]


def test_apart_where_there_is_no_block() -> None:
    free = [s for s in hall(5) if s.label in ("A-1", "A-3", "A-5")]
    found = best(free, 2)
    assert (sorted(labels(found)), found[1]) == (["A-1", "A-3"], False)
    assert best(free, 4) == ([], False)


def test_accessible_seats_are_for_those_who_ask() -> None:
    drawing = plan.hall("x", {"A": (4, 1)}, [{"key": 1, "label": "x", "color": "#fff"}])
    seats: list[dict[str, Any]] = drawing["subChart"]["rows"][0]["seats"]
    seats[1]["accessible"] = True
    free = plan.spots(drawing)
    assert labels(best(free, 2)) == ["A-3", "A-4"]
    assert "A-2" in labels(best(free, 2, accessible=1))
    assert best(free, 2, accessible=2) == ([], False)


@given(st.lists(st.booleans(), min_size=1, max_size=14), st.integers(1, 5))
def test_what_is_chosen_is_free_and_leaves_nobody_alone_in_vain(taken: list[bool], number: int) -> None:
    free = [s for s, gone in zip(hall(len(taken)), taken, strict=True) if not gone]
    chosen, together = best(free, number)
    assert len(chosen) == (number if len(free) >= number else 0)
    assert {s.label for s in chosen} <= {s.label for s in free}
    blocks = [
        free[n : n + number]
        for n in range(len(free) - number + 1)
        if free[n + number - 1].place - free[n].place == number - 1
    ]
    assert together is bool(blocks)
    if together:
        before = alone(free, [])
        in_vain = [not alone(free, block) - before for block in blocks]
        assert not (alone(free, chosen) - before and any(in_vain))
