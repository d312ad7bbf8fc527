"""The rules of tasks, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit import when
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, PreconditionFailed
from backendhub.systems.task import demo, recurrence, service
from backendhub.systems.task.models import RecurMode, Status, Task

pytestmark = pytest.mark.usefixtures("frozen")


def add(db: Db, description: str = "Task", **values: Any) -> Task:
    return service.add(db, description=description, **values)


def test_a_task_is_kept_as_it_was_added(db: Db) -> None:
    add(db, "First")
    task = add(
        db,
        "  Buy  milk ",
        priority="high",
        due="fri",
        project=" home ",
        tags=["+b", "a", "a"],
        depends_on=[1],
    )
    assert (task.id, task.description, task.status) == (2, "Buy  milk", Status.TODO)
    assert (task.priority, task.due, task.project) == ("H", "2026-01-09", "home")
    assert (task.tags, task.depends_on, task.revision) == (("a", "b"), (1,), 1)
    assert task.created_at == task.updated_at
    assert service.get(db, 2) == task


@pytest.mark.parametrize(
    "values",
    [
        {"description": ""},
        {"description": " \t\n"},
        {"description": "x" * 10_001},
        {"description": "a\x00b"},
        {"priority": "X"},
        {"due": "notadate"},
        {"due": "2025-02-30"},
        {"tags": ["two words"]},
        {"tags": ["a,b"]},
        {"tags": ["+"]},
        {"every": "often"},
        {"every": "0d"},
        {"every": "1d", "every_after": "1d"},
        {"status": "finished"},
    ],
)
def test_bad_values_are_refused(db: Db, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid), db.savepoint():
        add(db, **values)
    assert service.count(db) == 0


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "☃ ünï", "'; DROP TABLE task; --", "a\nb", "-40", "%s :x {0}"]
)
def test_any_other_text_is_kept_as_it_is(db: Db, text: str) -> None:
    assert service.get(db, add(db, text).id).description == text


def test_what_does_not_exist_is_named(db: Db) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: service.get(db, 99),
        lambda: service.edit(db, 99, {"description": "x"}),
        lambda: service.remove(db, 99),
        lambda: service.complete(db, 99),
        lambda: service.start(db, 99),
        lambda: service.stop(db, 99),
        lambda: service.add_note(db, 99, "x"),
        lambda: service.detail(db, 99),
        lambda: add(db, depends_on=[99]),
    ]
    for verb in verbs:
        with pytest.raises(NotFound, match="99"), db.savepoint():
            verb()


def test_edit_changes_what_is_given_and_clears_with_none(db: Db) -> None:
    task = add(db, priority="H", due="fri", project="p", tags=["a"])
    changed = service.edit(db, task.id, {"description": "New", "priority": None, "due": None, "tags": []})
    assert (changed.description, changed.priority, changed.due, changed.tags) == ("New", None, None, ())
    assert (changed.project, changed.revision) == ("p", 2)
    with pytest.raises(Invalid), db.savepoint():
        service.edit(db, task.id, {"description": None})
    with pytest.raises(Invalid, match="has no 'colour'"), db.savepoint():
        service.edit(db, task.id, {"colour": "red"})


def test_a_revision_guards_changes(db: Db) -> None:
    task = add(db)
    assert service.edit(db, task.id, {"description": "x"}, if_revision=1).revision == 2
    for verb in (
        lambda: service.edit(db, 1, {"description": "y"}, if_revision=1),
        lambda: service.remove(db, 1, if_revision=1),
    ):
        with pytest.raises(PreconditionFailed), db.savepoint():
            verb()
    assert service.remove(db, 1, if_revision=2).id == 1


def test_done_twice_says_so_and_changes_nothing(db: Db, frozen: Callable[[str], None]) -> None:
    add(db)
    first = service.complete(db, 1)
    frozen("2026-02-01T00:00:00Z")
    second = service.complete(db, 1)
    assert (first.already, second.already) == (False, True)
    assert second.task == first.task


def test_status_through_edit_follows_the_same_rules(db: Db) -> None:
    add(db, due="2026-01-31", every="1m")
    assert service.edit(db, 1, {"status": "done"}).done_at is not None
    assert service.count(db) == 2
    assert service.edit(db, 1, {"status": "todo"}).done_at is None
    service.edit(db, 1, {"status": "done"})
    assert service.count(db) == 2  # done again spawns no second one


# -- dependencies ------------------------------------------------------------------------------------------


def test_circles_are_refused_at_any_length(db: Db) -> None:
    for n in range(4):
        add(db, depends_on=[n] if n else [])
    for needs in ([4], [3], [1]):
        with pytest.raises(Invalid, match="circle"), db.savepoint():
            service.edit(db, 1, {"depends_on": needs})
    assert service.edit(db, 4, {"depends_on": [1, 2]}).depends_on == (1, 2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edges=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=15))
def test_no_sequence_of_edits_makes_a_circle(db: Db, edges: list[tuple[int, int]]) -> None:
    class Back(Exception):
        pass

    try:
        with db.savepoint():
            ids = [add(db).id for _ in range(5)]
            for a, b in edges:
                needs = set(service.get(db, ids[a - 1]).depends_on) | {ids[b - 1]}
                try:
                    with db.savepoint():
                        service.edit(db, ids[a - 1], {"depends_on": sorted(needs)})
                except Invalid:
                    continue
            waiting = {i: set(service.get(db, i).depends_on) for i in ids}
            while free := [i for i, needs in waiting.items() if not needs & set(waiting)]:
                for i in free:
                    del waiting[i]
            assert not waiting
            raise Back
    except Back:
        pass


def test_next_leaves_out_what_waits(db: Db) -> None:
    add(db, "first")
    add(db, "second", depends_on=[1], priority="H")
    assert [r.task.id for r in service.next_up(db)] == [1]
    service.complete(db, 1)
    assert [r.task.id for r in service.next_up(db)] == [2]


def test_deleting_takes_everything_along(db: Db) -> None:
    add(db, tags=["a"])
    add(db, depends_on=[1])
    service.add_note(db, 1, "n")
    service.start(db, 1)
    service.remove(db, 1)
    assert service.get(db, 2).depends_on == ()
    for table in ("task_tag", "task_dep", "task_note", "task_interval"):
        assert db.value(f"SELECT count(*) FROM {table}") == 0


# -- recurrence --------------------------------------------------------------------------------------------


def series(db: Db, count: int, frozen: Callable[[str], None], **values: Any) -> list[str | None]:
    """The due dates of a repeating task that is always done on its day."""
    task: Task | None = add(db, **values)
    found = []
    for _ in range(count):
        assert task is not None
        found.append(task.due)
        frozen(f"{str(task.due)[:10]}T12:00:00Z")
        task = service.complete(db, task.id).next
    return found


def test_month_ends_are_anchored_to_the_original_day(db: Db, frozen: Callable[[str], None]) -> None:
    found = series(db, 6, frozen, due="2026-01-31", every="1m")
    assert found == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]


def test_leap_days_come_back(db: Db, frozen: Callable[[str], None]) -> None:
    assert series(db, 5, frozen, due="2028-02-29", every="1y")[-1] == "2032-02-29"


def test_missed_dates_do_not_pile_up(db: Db, frozen: Callable[[str], None]) -> None:
    add(db, due="2026-01-05", every="1w")
    frozen("2026-03-04T12:00:00Z")  # eight Mondays later
    following = service.complete(db, 1).next
    assert following is not None
    assert following.due == "2026-03-09"
    assert service.count(db) == 2


def test_after_completion_counts_from_the_day_it_was_done(db: Db, frozen: Callable[[str], None]) -> None:
    add(db, due="2026-01-05", every_after="2w", tags=["home"], project="p", priority="L")
    frozen("2026-01-20T12:00:00Z")
    following = service.complete(db, 1).next
    assert following is not None
    assert (following.due, following.tags, following.project, following.priority) == (
        "2026-02-03",
        ("home",),
        "p",
        "L",
    )
    assert following.recur_mode is RecurMode.AFTER


def test_a_time_of_day_is_kept(db: Db) -> None:
    add(db, due="2026-01-05T17:30Z", every="1d")
    following = service.complete(db, 1).next
    assert following is not None
    assert following.due == "2026-01-06T17:30:00Z"


def test_doing_it_early_still_moves_on(db: Db) -> None:
    add(db, due="2026-01-31", every="1m")
    following = service.complete(db, 1).next
    assert following is not None
    assert following.due == "2026-02-28"


def test_moving_the_due_date_moves_the_series_and_none_ends_it(db: Db) -> None:
    add(db, due="2026-01-31", every="1m")
    service.edit(db, 1, {"due": "2026-02-10"})
    following = service.complete(db, 1).next
    assert following is not None
    assert following.due == "2026-03-10"
    service.edit(db, following.id, {"every": None})
    assert service.complete(db, following.id).next is None


@given(
    anchor=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    steps=st.integers(0, 30),
    amount=st.integers(1, 14),
    unit=st.sampled_from("dwmy"),
    late=st.integers(-40, 400),
)
def test_the_next_date_is_the_first_of_the_series_that_is_still_to_come(
    anchor: date, steps: int, amount: int, unit: str, late: int
) -> None:
    last = when.add(anchor, steps * amount, unit)
    today = last + timedelta(days=late)
    found = recurrence._after(anchor, amount, unit, last, today)
    brute = next(
        day for n in range(1, 5000) if (day := when.add(anchor, n * amount, unit)) > last and day >= today
    )
    assert found == brute


# -- finding -----------------------------------------------------------------------------------------------


def test_filters_hold_together(db: Db) -> None:
    add(db, "Call the bank", tags=["phone"], project="home", priority="H", due="2026-01-10")
    add(db, "Call mum", tags=["phone"], due="2026-02-10")
    add(db, "Écrire la lettre")
    service.add_note(db, 3, "about the bank")
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [1, 2, 3]),
        ({"tag": "phone"}, [1, 2]),
        ({"project": "home"}, [1]),
        ({"priority": "h"}, [1]),
        ({"text": "call"}, [1, 2]),
        ({"text": "ban"}, [1, 3]),  # the last word as a prefix; notes too
        ({"text": "bank call"}, [1]),
        ({"text": '" OR *'}, []),
        ({"due_before": "2026-02-10"}, [1]),
        ({"due_after": "2026-02-10"}, [2]),
        ({"tag": "phone", "text": "mum"}, [2]),
        ({"statuses": ["done"]}, []),
    ]
    for wanted, found in cases:
        assert [t.id for t in service.find_all(db, service.wanted(**wanted))] == found, wanted


def test_sorting(db: Db) -> None:
    add(db, "b", due="2026-02-01", priority="L")
    add(db, "a", priority="H")
    add(db, "c", due="2026-01-01", tags=["x"])
    for sort, found in {
        "due": [3, 1, 2],
        "-due": [2, 1, 3],
        "priority": [2, 3, 1],
        "-id": [3, 2, 1],
        "urgency": [3, 2, 1],
    }.items():
        assert [t.id for t in service.find_all(db, sort=sort)] == found, sort
    with pytest.raises(Invalid, match="Cannot sort"):
        service.find_all(db, sort="colour")


def test_due_within(db: Db) -> None:
    add(db, "overdue", due="yesterday")
    add(db, "soon", due="2026-01-05T20:00Z")
    add(db, "later", due="+3d")
    add(db, "done", due="today")
    service.complete(db, 4)
    assert [t.id for t in service.due_within(db, "24h")] == [1, 2]
    assert [t.id for t in service.due_within(db, "7d")] == [1, 2, 3]


def test_stats_and_tracked_time(db: Db, frozen: Callable[[str], None]) -> None:
    add(db, due="yesterday")
    add(db)
    service.start(db, 2)
    service.start(db, 2)  # twice is one clock
    frozen("2026-01-05T10:30:00Z")
    service.stop(db, 2)
    service.complete(db, 2)
    stats = service.stats(db)
    assert (stats.total, stats.todo, stats.done, stats.overdue, stats.done_last_7_days) == (2, 1, 1, 1, 1)
    assert stats.seconds == 5400


def test_urgency_is_explained(db: Db) -> None:
    add(db, priority="H", due="today", tags=["a", "b"], project="p")
    add(db, depends_on=[1])
    ranked = {r.task.id: r for r in service.rank_all(db, service.find_all(db))}
    assert ranked[1].urgency == round(sum(t.points for t in ranked[1].terms), 1)
    assert [t.reason for t in ranked[1].terms] == [
        "priority H",
        "due today",
        "1 waiting for it",
        "tags",
        "project",
    ]
    assert (ranked[2].blocked, ranked[2].urgency) == (True, -5.0)


def test_the_sample_is_believable_and_comes_once(db: Db) -> None:
    assert demo.load(db) == len(demo.SAMPLE)
    tasks = service.find_all(db)
    assert {t.status for t in tasks} == set(Status)
    assert any(t.depends_on for t in tasks)
    assert demo.load(db) == 0
