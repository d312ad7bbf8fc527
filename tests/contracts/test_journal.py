"""One undo for every tool, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit.db import Db, Store, journal
from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.task import service
from backendhub.systems.task import store as task_store
from backendhub.systems.task.models import Filter


@pytest.fixture
def tasks(store: Store) -> Store:
    """A store with the tables of `task`, which are under the journal."""
    store.use("task")
    return store


def labelled(store: Store, label: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    store.label = label
    try:
        return store.unit(fn, *args, **kwargs)
    finally:
        store.label = None


TABLES = ("task", "task_tag", "task_dep", "task_note", "task_interval")


def everything(store: Store) -> dict[str, list[Any]]:
    """Every row of every table of `task`, in some fixed order."""
    return {
        t: sorted(store.read(lambda db, t=t: db.fetch(f"SELECT * FROM {t}", {})), key=repr) for t in TABLES
    }


def undo(store: Store, unit: int | None = None, **kwargs: Any) -> journal.Unit:
    return store.unit(journal.undo, unit, **kwargs)


def fill(db: Db) -> None:
    first = service.add(db, description="First", tags=["a", "b"], due="2026-01-31", every="1m")
    service.add(db, description="Second", depends_on=[first.id])
    service.add_note(db, first.id, "A remark")
    service.start(db, first.id)


VERBS: dict[str, Callable[[Db], object]] = {
    "add": lambda db: service.add(db, description="New", tags=["x"], depends_on=[1]),
    "edit": lambda db: service.edit(db, 1, {"description": "Other", "tags": ["c"], "due": None}),
    "depend": lambda db: service.edit(db, 2, {"depends_on": []}),
    "start": lambda db: service.start(db, 2),
    "stop": lambda db: service.stop(db, 1),
    "complete": lambda db: service.complete(db, 1),
    "note": lambda db: service.add_note(db, 2, "Another"),
    "remove": lambda db: service.remove(db, 1),
    "several": lambda db: [service.complete(db, 1), service.remove(db, 2), service.remove(db, 1)],
}


@pytest.mark.parametrize("verb", VERBS)
def test_any_change_is_taken_back_whole_and_can_be_redone(tasks: Store, verb: str) -> None:
    tasks.unit(fill)
    before = everything(tasks)
    labelled(tasks, f"task {verb}", VERBS[verb])
    after = everything(tasks)
    assert after != before
    assert undo(tasks).label == f"task {verb}"
    assert everything(tasks) == before
    undo(tasks, redo=True)
    assert everything(tasks) == after
    undo(tasks)
    assert everything(tasks) == before


def test_full_text_follows_an_undo(tasks: Store) -> None:
    tasks.unit(fill)
    labelled(tasks, "task delete", lambda db: service.remove(db, 1))
    undo(tasks)
    for word in ("First", "remark"):
        found = tasks.read(service.find_all, Filter(text=word))
        assert [t.id for t in found] == [1], word


def test_undo_goes_back_one_at_a_time(tasks: Store) -> None:
    for n in range(3):
        labelled(tasks, f"task add {n}", service.add, description=str(n))
    assert [undo(tasks).label for _ in range(3)] == ["task add 2", "task add 1", "task add 0"]
    with pytest.raises(NotFound, match="nothing to undo"):
        undo(tasks)


def test_one_that_is_named_is_taken_back_out_of_order(tasks: Store) -> None:
    for n in (1, 2):
        labelled(tasks, f"task add {n}", service.add, description=str(n))
    first = tasks.read(journal.history)[-1]
    undo(tasks, first.id)
    assert [t.description for t in tasks.read(service.find_all)] == ["2"]
    with pytest.raises(Conflict, match="already undone"):
        undo(tasks, first.id)
    with pytest.raises(NotFound):
        undo(tasks, 999)


def test_a_later_change_is_not_lost_unless_forced(tasks: Store) -> None:
    task = tasks.unit(service.add, description="Old")
    labelled(tasks, "task update", service.edit, task.id, {"description": "Mine"})
    tasks.unit(service.edit, task.id, {"description": "Theirs"})
    before = everything(tasks)
    with pytest.raises(Conflict, match=r"task\(id=1\) was changed since"):
        undo(tasks)
    assert everything(tasks) == before
    undo(tasks, force=True)
    assert tasks.read(service.get, task.id).description == "Old"


def test_a_failed_unit_leaves_no_trace(tasks: Store) -> None:
    with pytest.raises(NotFound):
        labelled(tasks, "task update", service.edit, 99, {"description": "x"})
    assert tasks.read(journal.history) == []


def test_one_that_changed_nothing_leaves_no_trace(tasks: Store) -> None:
    labelled(tasks, "task list", service.find_all)
    assert tasks.read(journal.history) == []


def test_what_has_no_label_is_not_journalled(tasks: Store) -> None:
    tasks.unit(service.add, description="By the server")
    assert tasks.read(lambda db: db.value("SELECT count(*) FROM hub_journal")) == 0


def test_ids_are_never_used_again(tasks: Store) -> None:
    labelled(tasks, "task add", service.add, description="1")
    undo(tasks)
    assert tasks.unit(service.add, description="2").id == 2
    tasks.unit(service.remove, 2)
    assert tasks.unit(service.add, description="3").id == 3


def test_old_units_are_forgotten(tasks: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEEP", 5)
    for n in range(21):
        labelled(tasks, "task add", service.add, description=str(n))
    left = tasks.read(journal.history, 100)
    assert [u.id for u in left] == list(range(21, 15, -1))
    units = tasks.read(lambda db: db.fetch("SELECT DISTINCT unit_id FROM hub_journal", {}))
    assert {u[0] for u in units} == {u.id for u in left}


def test_the_history_says_what_and_how_much(tasks: Store, frozen: Callable[[str], None]) -> None:
    labelled(tasks, "task add", service.add, description="x", tags=["a", "b"])
    unit = tasks.read(journal.history)[0]
    assert (unit.label, unit.rows, unit.undone, unit.undoes) == ("task add", 3, False, None)
    assert unit.at.isoformat() == "2026-01-05T09:00:00+00:00"


def test_rows_of_a_tombstone_survive_types(tasks: Store) -> None:
    """Booleans, numbers, quotes and unicode come back from the journal as they were."""
    text = "quote \" back \\ ☃ ' percent % colon :x"
    task = tasks.unit(service.add, description=text, priority="H")
    labelled(tasks, "task delete", service.remove, task.id)
    undo(tasks)
    assert tasks.read(lambda db: db.one(type(task), task_store.ONE, id=task.id, owner="")) == task
