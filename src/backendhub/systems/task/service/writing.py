"""Adding, changing, finishing and removing tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock, ids
from backendhub.kit.db import Db, as_dict
from backendhub.kit.errors import Invalid, PreconditionFailed
from backendhub.systems.task import store
from backendhub.systems.task.models import Interval, Note, RecurMode, Status, Task
from backendhub.systems.task.recurrence import next_due

from .reading import all_whole, get, require, stored, whole
from .rules import checked, clean_tags, recurrence_of, repeat_of, text_of

if TYPE_CHECKING:
    from backendhub.systems.task.formats import Draft


class Completed(NamedTuple):
    """A finished task, whether it already was, and the one that its recurrence made."""

    task: Task
    already: bool = False
    next: Task | None = None

    def as_json(self) -> dict[str, object]:
        """The task, with the next one beside it."""
        return as_dict(self.task) | {"next": self.next}


def add(
    db: Db,
    *,
    description: str,
    priority: str | None = None,
    due: str | None = None,
    project: str | None = None,
    tags: Sequence[str] = (),
    depends_on: Sequence[int] = (),
    every: str | None = None,
    every_after: str | None = None,
    status: str = Status.TODO,
    owner: str | None = None,
    **fixed: Any,
) -> Task:
    """Adds a task. `every` repeats it by the calendar, `every_after` so long after it was done.

    `fixed` are columns that an import brings along (`created_at`, `updated_at`, `done_at`, `uuid`).
    Raises Invalid for a bad value and NotFound for an unknown dependency.
    """
    if every and every_after:
        raise Invalid("A task repeats either --every or --every-after, not both.")
    rule = every or every_after
    now = clock.now()
    values: dict[str, Any] = checked(
        {"description": description, "priority": priority, "due": due, "project": project, "status": status}
    )
    if rule:
        values["due"] = values["due"] or clock.today().isoformat()
        values |= recurrence_of(rule, RecurMode.FIXED if every else RecurMode.AFTER, values["due"])
    values |= {"uuid": ids.uuid7(), "revision": 1, "created_at": now, "updated_at": now} | fixed
    values |= {} if owner is None else {"owner": owner}
    if values["status"] is Status.DONE:
        values.setdefault("done_at", values["updated_at"])
    task = db.insert(Task, "task", **values)
    if not tags and not depends_on:
        return task
    _set_tags(db, task.id, tags)
    _set_needs(db, task.id, depends_on, owner)
    return replace(task, tags=clean_tags(tags), depends_on=tuple(sorted(set(depends_on))))


def edit(
    db: Db, id: int, changes: Mapping[str, Any], *, if_revision: int | None = None, owner: str | None = None
) -> Task:
    """Changes fields of a task: a key that is missing stays, None clears.

    `status` goes through the same rules as the verbs. Raises NotFound, Denied, Invalid, and PreconditionFailed where
    the task is no longer at `if_revision`.
    """
    task = stored(db, id, owner)
    if if_revision is not None and task.revision != if_revision:
        raise PreconditionFailed(
            f"Task {id} was changed in the meantime.", hint="read it again, then change it"
        )
    values = checked(
        {k: v for k, v in changes.items() if k not in ("tags", "depends_on", "every", "every_after")}
    )
    if "description" in changes and values["description"] is None:
        raise Invalid("A task needs a description.")
    target = values.pop("status", None) or task.status
    values |= repeat_of(task, changes, values)
    if "tags" in changes:
        db.run(store.CLEAR_TAGS, task_id=id)
        _set_tags(db, id, changes["tags"] or ())
    if "depends_on" in changes:
        db.run(store.CLEAR_DEPS, task_id=id)
        _set_needs(db, id, changes["depends_on"] or (), owner)
    task = _touch(db, task, **values)
    if target is not task.status:
        moves = {
            Status.DONE: lambda: complete(db, id, owner=owner).task,
            Status.IN_PROGRESS: lambda: start(db, id, track=False, owner=owner),
        }
        return moves.get(target, lambda: stop(db, id, owner=owner))()
    return whole(db, task)


def remove(db: Db, id: int, *, if_revision: int | None = None, owner: str | None = None) -> Task:
    """Deletes a task and what hangs on it. Raises NotFound, Denied, PreconditionFailed."""
    task = get(db, id, owner=owner)
    if if_revision is not None and task.revision != if_revision:
        raise PreconditionFailed(f"Task {id} was changed in the meantime.", hint="read it again")
    db.run(store.DELETE, id=id)
    return task


def start(db: Db, id: int, *, track: bool = True, owner: str | None = None) -> Task:
    """Marks a task as in progress and, with `track`, starts its clock. Raises NotFound, Denied."""
    task = stored(db, id, owner)
    running = any(i.stopped_at is None for i in db.all(Interval, store.INTERVALS, id=id))
    if track and not running:
        db.insert(Interval, "task_interval", task_id=id, started_at=clock.now())
    if task.status is not Status.IN_PROGRESS:
        task = _touch(db, task, status=Status.IN_PROGRESS, done_at=None)
    return whole(db, task)


def stop(db: Db, id: int, *, owner: str | None = None) -> Task:
    """Puts a task back to todo and stops its clock. Raises NotFound, Denied."""
    task = stored(db, id, owner)
    db.run(store.STOP, id=id, at=clock.now())
    if task.status is not Status.TODO:
        task = _touch(db, task, status=Status.TODO, done_at=None)
    return whole(db, task)


def complete(db: Db, id: int, *, owner: str | None = None) -> Completed:
    """Marks a task as done; a repeating one spawns exactly one successor. Raises NotFound, Denied."""
    task = stored(db, id, owner)
    if task.status is Status.DONE:
        return Completed(whole(db, task), already=True)
    db.run(store.STOP, id=id, at=clock.now())
    done = whole(db, _touch(db, task, status=Status.DONE, done_at=clock.now()))
    if task.recur_rule is None or db.one(Task, store.SPAWNED, id=id) is not None:
        return Completed(done)
    return Completed(done, next=_spawn(db, done, owner))


def add_note(db: Db, id: int, text: str, *, owner: str | None = None) -> Note:
    """Adds a remark to a task. Raises NotFound, Denied, Invalid."""
    task = stored(db, id, owner)
    note = db.insert(Note, "task_note", task_id=id, text=text_of(text, "note"), created_at=clock.now())
    _touch(db, task)
    return note


def add_drafts(db: Db, drafts: Sequence[Draft]) -> list[Task]:
    """Adds the tasks of a file, all or none; dependencies are renumbered. Raises Invalid naming the line."""
    numbers: dict[int, int] = {}
    added: list[tuple[Draft, Task]] = []
    for draft in drafts:
        try:
            task = add(db, **draft.values)
        except Invalid as error:
            raise Invalid(f"{draft.where}: {error.message}", hint=error.hint) from error
        added.append((draft, task))
        if draft.id is not None:
            numbers[draft.id] = task.id
    for draft, task in added:
        _set_needs(db, task.id, [numbers[i] for i in draft.after if i in numbers])
    return all_whole(db, [task for _, task in added])


def _spawn(db: Db, done: Task, owner: str | None) -> Task:
    """The successor of a repeating task that was just done."""
    now = clock.now()
    values = {n: getattr(done, n) for n in ("description", "priority", "project", "recur_rule", "recur_mode")}
    values |= {"recur_anchor": done.recur_anchor, "recur_from": done.id, "due": next_due(done)}
    values |= {
        "status": Status.TODO,
        "uuid": ids.uuid7(),
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "owner": owner,
    }
    task = db.insert(Task, "task", **values)
    _set_tags(db, task.id, done.tags)
    return replace(task, tags=done.tags)


def _touch(db: Db, task: Task, **changes: Any) -> Task:
    changed = db.update(Task, "task", task.id, **changes, updated_at=clock.now(), revision=task.revision + 1)
    assert changed is not None
    return changed


def _set_tags(db: Db, id: int, tags: Sequence[str]) -> None:
    if tags:
        db.run_many(store.ADD_TAG, [{"task_id": id, "tag": tag} for tag in clean_tags(tags)])


def _set_needs(db: Db, id: int, needs: Sequence[int], owner: str | None = None) -> None:
    if not needs:
        return
    require(db, list(needs), owner=owner)
    for need in needs:
        if need == id or db.value(store.CYCLE, task_id=id, needs_id=need):
            raise Invalid(f"Task {id} cannot wait for task {need}: that would be a circle.")
        db.run(store.ADD_DEP, task_id=id, needs_id=need)
