"""Every SQL statement of tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from backendhub.kit import search
from backendhub.kit.db import Db, columns
from backendhub.kit.paging import Order, Sort

from .models import Filter, Interval, Note, Stats, Task

FAR = "9999-12-31"  # where a task without a due date sorts
RANK = "(CASE t.priority WHEN 'H' THEN 0 WHEN 'M' THEN 1 WHEN 'L' THEN 3 ELSE 2 END)"
SORTS = {
    "id": Sort("t.id", lambda t: t.id),
    "due": Sort(f"coalesce(t.due, '{FAR}')", lambda t: t.due or FAR),
    "priority": Sort(RANK, lambda t: {"H": 0, "M": 1, "L": 3}.get(t.priority, 2)),
    "createdAt": Sort("t.created_at", lambda t: stamp(t.created_at)),
    "updatedAt": Sort("t.updated_at", lambda t: stamp(t.updated_at)),
}

SEARCH = search.Index("task_search", {"description": 4, "notes": 1})
TASK = columns(Task)
# Whose a task is: an account's, or ('') of whoever sits at this machine.
MINE = "coalesce(owner, '') = :owner"
ONE = f"SELECT {TASK} FROM task WHERE id = :id AND {MINE}"
OWNER = "SELECT coalesce(owner, '') FROM task WHERE id = :id"
# One task with its tags and dependencies in one statement.
WHOLE = {
    "sqlite": (
        f"SELECT {TASK}, (SELECT json_group_array(tag) FROM (SELECT tag FROM task_tag WHERE task_id = :id ORDER BY tag)), "
        "(SELECT json_group_array(needs_id) FROM (SELECT needs_id FROM task_dep WHERE task_id = :id ORDER BY needs_id)) "
        f"FROM task WHERE id = :id AND {MINE}"
    ),
    "postgres": (
        f"SELECT {TASK}, coalesce((SELECT CAST(json_agg(tag ORDER BY tag) AS text) FROM task_tag WHERE task_id = :id), '[]'), "
        "coalesce((SELECT CAST(json_agg(needs_id ORDER BY needs_id) AS text) FROM task_dep WHERE task_id = :id), '[]') "
        f"FROM task WHERE id = :id AND {MINE}"
    ),
}
# In the plain form of /todos, whose pages have numbers: only the index is walked to the first row of one.
_PLAIN = "id, description, coalesce(details, ''), status"
_LISTED = f"{MINE} AND (CAST(:status AS text) IS NULL OR status = :status)"
TODO = f"SELECT {_PLAIN} FROM task WHERE id = :id"
TODOS = f"""
SELECT {_PLAIN} FROM task WHERE id IN (SELECT id FROM task WHERE {_LISTED} ORDER BY id LIMIT :limit OFFSET :skip)
ORDER BY id"""
COUNT_TODOS = f"SELECT count(*) FROM task WHERE {_LISTED}"
SET_DETAILS = "UPDATE task SET details = :details, updated_at = :now WHERE id = :id"
DELETE = "DELETE FROM task WHERE id = :id"
SPAWNED = f"SELECT {TASK} FROM task WHERE recur_from = :id"

ADD_TAG = "INSERT INTO task_tag (task_id, tag) VALUES (:task_id, :tag) ON CONFLICT DO NOTHING"
CLEAR_TAGS = "DELETE FROM task_tag WHERE task_id = :task_id"
ALL_TAGS = (
    "SELECT g.tag, count(*) FROM task_tag g JOIN task t ON t.id = g.task_id "
    f"WHERE {MINE} GROUP BY g.tag ORDER BY g.tag"
)

ADD_DEP = "INSERT INTO task_dep (task_id, needs_id) VALUES (:task_id, :needs_id) ON CONFLICT DO NOTHING"
CLEAR_DEPS = "DELETE FROM task_dep WHERE task_id = :task_id"
# Whether :needs_id already depends on :task_id, over any number of steps.
CYCLE = """
WITH RECURSIVE above (id) AS (
  SELECT needs_id FROM task_dep WHERE task_id = :needs_id
  UNION SELECT d.needs_id FROM task_dep d JOIN above a ON d.task_id = a.id
) SELECT 1 FROM above WHERE id = :task_id"""
# Which unfinished tasks wait for an unfinished one, and how many wait for each.
BLOCKED = (
    "SELECT DISTINCT d.task_id FROM task_dep d JOIN task n ON n.id = d.needs_id WHERE n.status <> 'done'"
)
BLOCKING = (
    "SELECT d.needs_id, count(*) FROM task_dep d JOIN task t ON t.id = d.task_id "
    "WHERE t.status <> 'done' GROUP BY d.needs_id"
)

NOTES = f"SELECT {columns(Note)} FROM task_note WHERE task_id = :id ORDER BY id"
INTERVALS = f"SELECT {columns(Interval)} FROM task_interval WHERE task_id = :id ORDER BY id"
STOP = "UPDATE task_interval SET stopped_at = :at WHERE task_id = :id AND stopped_at IS NULL"
ALL_INTERVALS = (
    f"SELECT {columns(Interval, 'i')} FROM task_interval i JOIN task t ON t.id = i.task_id WHERE {MINE}"
)

STATS = f"""
SELECT count(*),
  coalesce(sum(CASE WHEN status = 'todo' THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN status = 'in-progress' THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN status = 'done' THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN status <> 'done' AND ((length(due) = 10 AND due < :today) OR (length(due) > 10 AND due < :now)) THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN status = 'done' AND done_at >= :week_ago THEN 1 ELSE 0 END), 0),
  0
FROM task WHERE {MINE}"""


def stamp(moment: datetime) -> str:
    """A time as it is stored, for comparing."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def select_sql(db: Db, wanted: Filter, by: Order, cursor: str | None = None) -> tuple[str, dict[str, Any]]:
    """The listing for a filter, and its parameters apart from `:limit`."""
    after, params = by.after(cursor)
    where = ["t.owner IS NULL" if wanted.owner is None else "t.owner = :owner"]
    where += [] if cursor is None else [after]
    params |= {} if wanted.owner is None else {"owner": wanted.owner}
    if wanted.statuses:
        marks = ", ".join(f":status{i}" for i in range(len(wanted.statuses)))
        where.append(f"t.status IN ({marks})")
        params |= {f"status{i}": s for i, s in enumerate(wanted.statuses)}
    for column in ("project", "priority"):
        if (value := getattr(wanted, column)) is not None:
            where.append(f"t.{column} = :{column}")
            params[column] = value
    if wanted.tag is not None:
        where.append("t.id IN (SELECT task_id FROM task_tag WHERE tag = :tag)")
        params["tag"] = wanted.tag
    if wanted.due_before is not None:
        where.append("t.due < :due_before")
        params["due_before"] = wanted.due_before
    if wanted.due_after is not None:
        where.append("t.due >= :due_after")
        params["due_after"] = wanted.due_after
    if wanted.ids is not None:
        where.append(f"t.id {db.among('ids')}")
        params["ids"] = list(wanted.ids)
    if wanted.text is not None:
        condition, found = SEARCH.condition(db, wanted.text, "t.id")
        where.append(condition)
        params |= found
    condition = " AND ".join(where)
    return f"SELECT {columns(Task, 't')} FROM task t WHERE {condition} ORDER BY {by.sql} LIMIT :limit", params


def select(db: Db, wanted: Filter, by: Order, *, limit: int, cursor: str | None = None) -> list[Task]:
    """Tasks that match, without tags and dependencies."""
    sql, params = select_sql(db, wanted, by, cursor)
    return db.all(Task, sql, **params, limit=limit)


def count(db: Db, wanted: Filter, by: Order) -> int:
    """How many tasks match."""
    sql, params = select_sql(db, wanted, by)
    body = sql[sql.index("FROM task t") : sql.index(" ORDER BY")]
    return int(db.value(f"SELECT count(*) {body}", **params))


def tags(db: Db, ids: Iterable[int]) -> list[tuple[int, str]]:
    """(task, tag) of these tasks, sorted."""
    sql = f"SELECT task_id, tag FROM task_tag WHERE task_id {db.among('ids')} ORDER BY task_id, tag"
    return [(row[0], row[1]) for row in db.fetch(sql, {"ids": list(ids)})]


def needs(db: Db, ids: Iterable[int]) -> list[tuple[int, int]]:
    """(task, the task it waits for) of these tasks, sorted."""
    sql = f"SELECT task_id, needs_id FROM task_dep WHERE task_id {db.among('ids')} ORDER BY task_id, needs_id"
    return [(row[0], row[1]) for row in db.fetch(sql, {"ids": list(ids)})]


def stats(db: Db, *, owner: str, now: str, today: str, week_ago: str) -> Stats:
    """Counts over all tasks; a whole-day due is over when the day is, a time when it has come."""
    row = db.one(Stats, STATS, owner=owner, now=now, today=today, week_ago=week_ago)
    assert row is not None
    return row
