"""One task, many, and what is told of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from backendhub.kit import clock, paging, when
from backendhub.kit.db import Db, as_dict
from backendhub.kit.errors import Denied, HubError, NotFound
from backendhub.systems.task import store
from backendhub.systems.task.models import Filter, Interval, Note, Stats, Status, Task

if TYPE_CHECKING:
    from backendhub.systems.task.urgency import Ranked


PENDING = (Status.TODO, Status.IN_PROGRESS)
SORT_KEYS = tuple(store.SORTS)
_BY_ID = paging.order("id", store.SORTS)


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


def get(db: Db, id: int, *, owner: str | None = None) -> Task:
    """One task. Raises NotFound, Denied."""
    task = db.one(Task, store.WHOLE[db.dialect], id=id, owner=owner or "")
    if task is None:
        raise absent(db, id, owner)
    return task


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
    return paging.Page(all_whole(db, page.items), page.next)


def find_all(db: Db, wanted: Filter = Filter(), *, sort: str = "id") -> list[Task]:
    """Every task that matches; `urgency` sorts the most urgent first."""
    by = paging.order("id" if sort == "urgency" else sort, store.SORTS)
    tasks = all_whole(db, store.select(db, wanted, by, limit=2**31 - 1))
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
    from backendhub.systems.task.urgency import rank

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


def absent(db: Db, id: int, owner: str | None) -> HubError:
    """Why an owner has no such task. An account is told that it is somebody else's; this machine's person has no use
    for knowing that."""
    if owner is not None and db.value(store.OWNER, id=id) is not None:
        return Denied("This task belongs to somebody else.")
    return NotFound(f"There is no task {id}.", hint="backendhub task list")


def stored(db: Db, id: int, owner: str | None) -> Task:
    """One task without its tags and dependencies. Raises NotFound, Denied."""
    task = db.one(Task, store.ONE, id=id, owner=owner or "")
    if task is None:
        raise absent(db, id, owner)
    return task


def whole(db: Db, task: Task) -> Task:
    """The task with its tags and dependencies."""
    return all_whole(db, [task])[0]


def all_whole(db: Db, tasks: list[Task]) -> list[Task]:
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
