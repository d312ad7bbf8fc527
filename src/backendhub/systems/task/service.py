"""The rules of tasks. Every function takes the transaction first and is called alike by terminal, API and jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock, ids, paging, when
from backendhub.kit.db import Db, as_dict
from backendhub.kit.errors import Denied, HubError, Invalid, NotFound, PreconditionFailed

from . import store
from .models import Filter, Interval, Note, Priority, RecurMode, Stats, Status, Task
from .recurrence import next_due

if TYPE_CHECKING:
    from .formats import Draft
    from .urgency import Ranked

MAX_DESCRIPTION = 10_000
MAX_TAG = 100
SORT_KEYS = tuple(store.SORTS)
PENDING = (Status.TODO, Status.IN_PROGRESS)


class Completed(NamedTuple):
    """A finished task, whether it already was, and the one that its recurrence made."""

    task: Task
    already: bool = False
    next: Task | None = None

    def as_json(self) -> dict[str, object]:
        """The task, with the next one beside it."""
        return as_dict(self.task) | {"next": self.next}


class Detail(NamedTuple):
    """A task with everything that hangs on it."""

    task: Task
    notes: list[Note]
    intervals: list[Interval]
    urgency: Ranked | None

    def as_json(self) -> dict[str, object]:
        """One flat object."""
        flat: dict[str, object] = as_dict(self.task) | {"notes": self.notes, "intervals": self.intervals}
        if self.urgency is not None:
            flat |= {"urgency": self.urgency.urgency, "why": self.urgency.why}
        return flat


def wanted(
    *,
    statuses: Sequence[str] = (),
    tag: str | None = None,
    project: str | None = None,
    priority: str | None = None,
    text: str | None = None,
    due_before: str | None = None,
    due_after: str | None = None,
    owner: str | None = None,
) -> Filter:
    """A filter from what was typed. Raises Invalid for a value that no task can have."""
    return Filter(
        statuses=tuple(_status(s) for s in statuses),
        tag=tag,
        project=project,
        priority=_priority(priority) if priority else None,
        text=text,
        due_before=when.stored(when.parse(due_before)) if due_before else None,
        due_after=when.stored(when.parse(due_after)) if due_after else None,
        owner=owner,
    )


# -- reading ----------------------------------------------------------------------------------------------


def get(db: Db, id: int, *, owner: str | None = None) -> Task:
    """One task. Raises NotFound, Denied."""
    task = db.one(Task, store.WHOLE[db.dialect], id=id, owner=owner or "")
    if task is None:
        raise _absent(db, id, owner)
    return task


def _absent(db: Db, id: int, owner: str | None) -> HubError:
    """Why an owner has no such task. An account is told that it is somebody else's; this machine's person has no use
    for knowing that."""
    if owner is not None and db.value(store.OWNER, id=id) is not None:
        return Denied("This task belongs to somebody else.")
    return NotFound(f"There is no task {id}.", hint="backendhub task list")


def detail(db: Db, id: int, *, owner: str | None = None) -> Detail:
    """One task with notes, tracked time and urgency. Raises NotFound, Denied."""
    task = get(db, id, owner=owner)
    ranked = None if task.status is Status.DONE else rank_all(db, [task])[0]
    notes = db.all(Note, store.NOTES, id=id)
    return Detail(task, notes, db.all(Interval, store.INTERVALS, id=id), ranked)


def find(
    db: Db, wanted: Filter = Filter(), *, sort: str = "id", limit: int = 20, cursor: str | None = None
) -> paging.Page[Task]:
    """A page of tasks. Raises Invalid for an unknown sort key and NotFound for a foreign cursor."""
    by = paging.order(sort, store.SORTS)
    rows = store.select(db, wanted, by, limit=limit + 1, cursor=cursor)
    page = paging.page(rows, limit, by)
    return paging.Page(_all_whole(db, page.items), page.next)


def find_all(db: Db, wanted: Filter = Filter(), *, sort: str = "id") -> list[Task]:
    """Every task that matches; `urgency` sorts the most urgent first."""
    by = paging.order("id" if sort == "urgency" else sort, store.SORTS)
    tasks = _all_whole(db, store.select(db, wanted, by, limit=2**31 - 1))
    if sort == "urgency":
        return [r.task for r in sorted(rank_all(db, tasks), key=lambda r: (-r.urgency, r.task.id))]
    return tasks


def count(db: Db, wanted: Filter = Filter()) -> int:
    """How many tasks match."""
    return store.count(db, wanted, paging.order("id", store.SORTS))


def next_up(db: Db, *, limit: int = 5) -> list[Ranked]:
    """What to do next: unfinished tasks that wait for nothing, the most urgent first."""
    ranked = rank_all(db, find_all(db, Filter(statuses=PENDING)))
    free = [r for r in ranked if not r.blocked]
    return sorted(free, key=lambda r: (-r.urgency, r.task.id))[:limit]


def rank_all(db: Db, tasks: Iterable[Task]) -> list[Ranked]:
    """The urgency of each task."""
    from .urgency import rank

    blocked = {row[0] for row in db.fetch(store.BLOCKED, {})}
    blocking: dict[int, int] = {row[0]: row[1] for row in db.fetch(store.BLOCKING, {})}
    return [rank(t, blocked=t.id in blocked, blocking=blocking.get(t.id, 0)) for t in tasks]


def due_within(db: Db, span: str) -> list[Task]:
    """Unfinished tasks that are due within a span of time or overdue. Raises Invalid for a bad span."""
    bound = when.stored(clock.now() + when.duration(span))
    return find_all(db, Filter(statuses=PENDING, due_before=bound), sort="due")


def stats(db: Db, *, owner: str | None = None) -> Stats:
    """Counts over all tasks and the time tracked."""
    now = clock.now()
    week_ago = store.stamp(now - timedelta(days=7))
    mine, today = owner or "", clock.today().isoformat()
    row = store.stats(db, owner=mine, now=clock.iso(now), today=today, week_ago=week_ago)
    tracked = db.all(Interval, store.ALL_INTERVALS, owner=mine)
    spent = (((i.stopped_at or now) - i.started_at) for i in tracked)
    return replace(row, seconds=int(sum(spent, timedelta()).total_seconds()))


def tag_counts(db: Db, *, owner: str | None = None) -> list[tuple[str, int]]:
    """Every tag and how many tasks have it."""
    return [(row[0], row[1]) for row in db.fetch(store.ALL_TAGS, {"owner": owner or ""})]


# -- writing ----------------------------------------------------------------------------------------------


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
    values: dict[str, Any] = _checked(
        {"description": description, "priority": priority, "due": due, "project": project, "status": status}
    )
    if rule:
        values["due"] = values["due"] or clock.today().isoformat()
        values |= _recurrence(rule, RecurMode.FIXED if every else RecurMode.AFTER, values["due"])
    values |= {"uuid": ids.uuid7(), "revision": 1, "created_at": now, "updated_at": now} | fixed
    values |= {} if owner is None else {"owner": owner}
    if values["status"] is Status.DONE:
        values.setdefault("done_at", values["updated_at"])
    task = db.insert(Task, "task", **values)
    if not tags and not depends_on:
        return task
    _set_tags(db, task.id, tags)
    _set_needs(db, task.id, depends_on, owner)
    return replace(task, tags=_clean_tags(tags), depends_on=tuple(sorted(set(depends_on))))


def edit(
    db: Db, id: int, changes: Mapping[str, Any], *, if_revision: int | None = None, owner: str | None = None
) -> Task:
    """Changes fields of a task: a key that is missing stays, None clears.

    `status` goes through the same rules as the verbs. Raises NotFound, Denied, Invalid, and PreconditionFailed where
    the task is no longer at `if_revision`.
    """
    task = _stored(db, id, owner)
    if if_revision is not None and task.revision != if_revision:
        raise PreconditionFailed(
            f"Task {id} was changed in the meantime.", hint="read it again, then change it"
        )
    values = _checked(
        {k: v for k, v in changes.items() if k not in ("tags", "depends_on", "every", "every_after")}
    )
    if "description" in changes and values["description"] is None:
        raise Invalid("A task needs a description.")
    target = values.pop("status", None) or task.status
    values |= _repeat(task, changes, values)
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
    return _whole(db, task)


def remove(db: Db, id: int, *, if_revision: int | None = None, owner: str | None = None) -> Task:
    """Deletes a task and what hangs on it. Raises NotFound, Denied, PreconditionFailed."""
    task = get(db, id, owner=owner)
    if if_revision is not None and task.revision != if_revision:
        raise PreconditionFailed(f"Task {id} was changed in the meantime.", hint="read it again")
    db.run(store.DELETE, id=id)
    return task


def start(db: Db, id: int, *, track: bool = True, owner: str | None = None) -> Task:
    """Marks a task as in progress and, with `track`, starts its clock. Raises NotFound, Denied."""
    task = _stored(db, id, owner)
    running = any(i.stopped_at is None for i in db.all(Interval, store.INTERVALS, id=id))
    if track and not running:
        db.insert(Interval, "task_interval", task_id=id, started_at=clock.now())
    if task.status is not Status.IN_PROGRESS:
        task = _touch(db, task, status=Status.IN_PROGRESS, done_at=None)
    return _whole(db, task)


def stop(db: Db, id: int, *, owner: str | None = None) -> Task:
    """Puts a task back to todo and stops its clock. Raises NotFound, Denied."""
    task = _stored(db, id, owner)
    db.run(store.STOP, id=id, at=clock.now())
    if task.status is not Status.TODO:
        task = _touch(db, task, status=Status.TODO, done_at=None)
    return _whole(db, task)


def complete(db: Db, id: int, *, owner: str | None = None) -> Completed:
    """Marks a task as done; a repeating one spawns exactly one successor. Raises NotFound, Denied."""
    task = _stored(db, id, owner)
    if task.status is Status.DONE:
        return Completed(_whole(db, task), already=True)
    db.run(store.STOP, id=id, at=clock.now())
    done = _whole(db, _touch(db, task, status=Status.DONE, done_at=clock.now()))
    if task.recur_rule is None or db.one(Task, store.SPAWNED, id=id) is not None:
        return Completed(done)
    return Completed(done, next=_spawn(db, done, owner))


def require(db: Db, wanted: Sequence[int], *, owner: str | None = None) -> None:
    """Raises NotFound that names every id that its owner does not have, before anything is changed."""
    named = Filter(ids=tuple(wanted), owner=owner)
    found = {t.id for t in store.select(db, named, _BY_ID, limit=len(wanted) + 1)}
    if missing := [str(i) for i in wanted if i not in found]:
        raise NotFound(
            f"There is no task {', '.join(missing)}."
            if len(missing) == 1
            else f"There are no tasks {', '.join(missing)}.",
            hint="backendhub task list",
        )


def add_note(db: Db, id: int, text: str, *, owner: str | None = None) -> Note:
    """Adds a remark to a task. Raises NotFound, Denied, Invalid."""
    task = _stored(db, id, owner)
    note = db.insert(Note, "task_note", task_id=id, text=_text(text, "note"), created_at=clock.now())
    _touch(db, task)
    return note


_BY_ID = paging.order("id", store.SORTS)


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


def _stored(db: Db, id: int, owner: str | None) -> Task:
    task = db.one(Task, store.ONE, id=id, owner=owner or "")
    if task is None:
        raise _absent(db, id, owner)
    return task


def _touch(db: Db, task: Task, **changes: Any) -> Task:
    changed = db.update(Task, "task", task.id, **changes, updated_at=clock.now(), revision=task.revision + 1)
    assert changed is not None
    return changed


def _whole(db: Db, task: Task) -> Task:
    """The task with its tags and dependencies."""
    return _all_whole(db, [task])[0]


def _all_whole(db: Db, tasks: list[Task]) -> list[Task]:
    """The tasks with their tags and dependencies, in two statements however many they are."""
    tags: dict[int, list[str]] = {}
    needs: dict[int, list[int]] = {}
    wanted = [t.id for t in tasks]
    for id, tag in store.tags(db, wanted):
        tags.setdefault(id, []).append(tag)
    for id, need in store.needs(db, wanted):
        needs.setdefault(id, []).append(need)
    if not tags and not needs:
        return tasks
    return [
        replace(t, tags=tuple(tags.get(t.id, ())), depends_on=tuple(needs.get(t.id, ())))
        if t.id in tags or t.id in needs
        else t
        for t in tasks
    ]


def _set_tags(db: Db, id: int, tags: Sequence[str]) -> None:
    if tags:
        db.run_many(store.ADD_TAG, [{"task_id": id, "tag": tag} for tag in _clean_tags(tags)])


def _set_needs(db: Db, id: int, needs: Sequence[int], owner: str | None = None) -> None:
    if not needs:
        return
    require(db, list(needs), owner=owner)
    for need in needs:
        if need == id or db.value(store.CYCLE, task_id=id, needs_id=need):
            raise Invalid(f"Task {id} cannot wait for task {need}: that would be a circle.")
        db.run(store.ADD_DEP, task_id=id, needs_id=need)


def _repeat(task: Task, changes: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a change of recurrence, or of a fixed series' due date, sets."""
    due = values.get("due", task.due)
    for key, mode in (("every", RecurMode.FIXED), ("every_after", RecurMode.AFTER)):
        if changes.get(key):
            return _recurrence(changes[key], mode, due or clock.today().isoformat()) | {
                "due": due or clock.today().isoformat()
            }
    if "every" in changes or "every_after" in changes:
        return {"recur_rule": None, "recur_mode": None, "recur_anchor": None}
    return {"recur_anchor": due} if "due" in values and task.recur_rule and due else {}


def _recurrence(rule: str, mode: RecurMode, anchor: str) -> dict[str, Any]:
    amount, unit = when.span(rule)
    return {"recur_rule": f"{amount}{unit}", "recur_mode": mode, "recur_anchor": anchor}


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """The values that are given, validated and in their stored form. Raises Invalid."""
    checks: dict[str, Callable[[Any], Any]] = {
        "description": lambda v: _text(v, "description"),
        "priority": lambda v: _priority(v) if v else None,
        "due": lambda v: when.stored(when.parse(v)) if v else None,
        "project": lambda v: (v.strip() or None) if v else None,
        "status": _status,
    }
    if unknown := [k for k in values if k not in checks]:
        raise Invalid(f"A task has no {unknown[0]!r} that can be set.")
    return {k: checks[k](v) if v is not None else None for k, v in values.items()}


def _text(value: str, what: str) -> str:
    text = value.strip()
    if not text:
        raise Invalid(f"The {what} is empty.", hint='backendhub task add "Buy groceries"')
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(f"The {what} is longer than {MAX_DESCRIPTION:,} characters.")
    if "\x00" in text:
        raise Invalid(f"The {what} holds a NUL character.")
    return text


def _priority(value: str) -> Priority:
    names = {"H": "H", "HIGH": "H", "M": "M", "MEDIUM": "M", "L": "L", "LOW": "L"}
    if (key := names.get(str(value).upper())) is None:
        raise Invalid(f"There is no priority {value!r}.", hint="choose from H, M, L")
    return Priority(key)


def _status(value: str) -> Status:
    try:
        return Status(value)
    except ValueError:
        raise Invalid(f"There is no status {value!r}.", hint="choose from todo, in-progress, done") from None


def _clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    cleaned = {tag.strip().lstrip("+#") for tag in tags}
    for tag in cleaned:
        if (
            not tag
            or len(tag) > MAX_TAG
            or any(c.isspace() or c == "," or c < " " or "\x7f" <= c <= "\x9f" for c in tag)
        ):
            raise Invalid(f"{tag!r} is not a tag.", hint="a tag is one word without commas")
    return tuple(sorted(cleaned))


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
    return _all_whole(db, [task for _, task in added])
