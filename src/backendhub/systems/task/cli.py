"""`backendhub task`: every command is a function that returns what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

from . import service
from .models import Note, Stats, Task
from .service import Completed, Detail

T = TypeVar("T")

app = cli.commands(
    "task",
    "Track to-dos with due dates, priorities, dependencies and recurrence.",
    examples=(
        'backendhub task add "Buy groceries" --due fri -p H -t home',
        "backendhub task list in-progress",
        "backendhub task done 1,3-5",
        "backendhub task due --within 24h --quiet   # for cron",
    ),
)
COLUMNS = ("id", "status", "priority", "due", "project", "tags", "description")

Id = Annotated[int, Argument(help="The task's number.", metavar="ID")]
Ids = Annotated[list[str], Argument(help="Numbers: 3, 1,3-5, or - to read them from stdin.", metavar="ID...")]
Words = Annotated[
    list[str], Argument(help="What is to be done; - reads one task per line.", metavar="DESCRIPTION")
]
Prio = Annotated[str | None, Option("-p", "--priority", help="H, M or L.", metavar="H|M|L")]
Due = Annotated[str | None, Option("--due", help="2026-02-28, tomorrow, fri, eom, +3d, …", metavar="WHEN")]
Project = Annotated[str | None, Option("--project", help="The project it belongs to.")]
Tags = Annotated[list[str] | None, Option("-t", "--tag", help="A tag; may be repeated.", metavar="TAG")]
After = Annotated[list[str] | None, Option("--after", help="Waits for these tasks.", metavar="ID")]
Every = Annotated[
    str | None, Option("--every", help="Repeats by the calendar: 1m, 2w, daily.", metavar="SPAN")
]
EveryAfter = Annotated[
    str | None, Option("--every-after", help="Repeats so long after it was done.", metavar="SPAN")
]


def _added(tasks: Task | list[Task]) -> str:
    rows = tasks if isinstance(tasks, list) else [tasks]
    return "\n".join(f"Task added successfully (ID: {task.id})" for task in rows)


@app.command(says=_added, examples=('backendhub task add "Pay rent" --due 2026-01-31 --every 1m',))
def add(
    description: Words,
    priority: Prio = None,
    due: Due = None,
    project: Project = None,
    tag: Tags = None,
    after: After = None,
    every: Every = None,
    every_after: EveryAfter = None,
) -> Task | list[Task]:
    """Add a task."""
    texts = cli.lines(["-"]) if description == ["-"] else [" ".join(description)]
    values: dict[str, Any] = {"priority": priority, "due": due, "project": project, "tags": tag or ()}
    values |= {"depends_on": cli.ids(after or ()), "every": every, "every_after": every_after}

    def add_all(db: Db) -> list[Task]:
        return [service.add(db, description=text, **values) for text in texts]

    tasks = hub.unit(add_all)
    return tasks if description == ["-"] else tasks[0]


@app.command(says="Task updated successfully (ID: {0.id})")
def update(id: Id, description: Words) -> Task:
    """Change a task's description."""
    return hub.unit(service.edit, id, {"description": " ".join(description)})


@app.command(
    says="Task updated successfully (ID: {0.id})", examples=("backendhub task edit 3 --due none -p L",)
)
def edit(
    id: Id,
    description: Annotated[str | None, Option("-d", "--description", help="New description.")] = None,
    priority: Prio = None,
    due: Due = None,
    project: Project = None,
    tag: Tags = None,
    after: After = None,
    every: Every = None,
    every_after: EveryAfter = None,
) -> Task:
    """Change any field of a task; `none` clears one."""
    given = {"description": description, "priority": priority, "due": due, "project": project}
    changes: dict[str, Any] = {k: _none(v) for k, v in given.items() if v is not None}
    changes |= {k: _none(v) for k, v in (("every", every), ("every_after", every_after)) if v is not None}
    if tag is not None:
        changes["tags"] = [] if tag == ["none"] else tag
    if after is not None:
        changes["depends_on"] = [] if after == ["none"] else cli.ids(after)
    if not changes:
        raise Invalid("Nothing to change.", hint="backendhub task edit --help")
    return hub.unit(service.edit, id, changes)


def _none(value: str) -> str | None:
    return None if value.lower() == "none" else value


def _deleted(tasks: list[Task]) -> str:
    return "\n".join(f"Task deleted successfully (ID: {t.id})" for t in tasks)


@app.command(aliases=("rm",), says=_deleted)
def delete(ids: Ids) -> list[Task]:
    """Delete tasks (`backendhub undo` brings them back)."""
    return _each(ids, service.remove)


def _each(words: list[str], verb: Callable[[Db, int], T]) -> list[T]:
    """Applies a verb to every task named, all or none."""
    wanted = cli.ids(words)

    def run(db: Db) -> list[T]:
        service.require(db, wanted)
        return [verb(db, id) for id in wanted]

    return hub.unit(run)


@app.command("mark-in-progress", says=lambda rows: _marked(rows, "in-progress"))
def mark_in_progress(ids: Ids) -> list[Task]:
    """Mark tasks as in progress."""
    return _each(ids, lambda db, id: service.start(db, id, track=False))


def _marked(tasks: list[Task], status: str) -> str:
    return "\n".join(f"Task {task.id} marked as {status}" for task in tasks)


def _completed(rows: list[Completed]) -> str:
    texts = []
    for row in rows:
        texts.append(f"Task {row.task.id} " + ("is already done" if row.already else "marked as done"))
        if row.next is not None:
            texts.append(f"Next one: task {row.next.id}, due {row.next.due}")
    return "\n".join(texts)


@app.command("mark-done", aliases=("done",), says=_completed)
def mark_done(ids: Ids) -> list[Completed]:
    """Mark tasks as done; a repeating task is added again for its next date."""
    return _each(ids, service.complete)


@app.command(says="Started task {0.id}: {0.description}")
def start(id: Id) -> Task:
    """Start working on a task: in progress, with its clock running."""
    return hub.unit(service.start, id)


@app.command(says="Stopped task {0.id}: {0.description}")
def stop(id: Id) -> Task:
    """Stop working on a task: back to todo, its clock stopped."""
    return hub.unit(service.stop, id)


@app.command(says="Note added to task {0.task_id}")
def note(id: Id, text: Annotated[list[str], Argument(help="The remark.")]) -> Note:
    """Add a note to a task."""
    return hub.unit(service.add_note, id, " ".join(text))


STATUSES = {"pending": service.PENDING, "not-done": service.PENDING, "all": ()}


@app.command("list", aliases=("ls",), columns=COLUMNS, empty='No tasks. Add one: backendhub task add "…"')
def list_(
    status: Annotated[str, Argument(help="todo, in-progress, done, not-done or all.")] = "all",
    tag: Annotated[str | None, Option("-t", "--tag", help="Only with this tag.")] = None,
    project: Project = None,
    priority: Prio = None,
    search: Annotated[str | None, Option("-s", "--search", help="Words in description or notes.")] = None,
    due_before: Annotated[str | None, Option(help="Due before this date.", metavar="WHEN")] = None,
    sort: Annotated[str, Option(help="urgency, or id, due, priority, … (-due: latest first).")] = "id",
) -> list[Task]:
    """List tasks, all of them or by status."""
    wanted = service.wanted(
        statuses=STATUSES.get(status, (status,)),
        tag=tag,
        project=project,
        priority=priority,
        text=search,
        due_before=due_before,
    )
    return hub.read(service.find_all, wanted, sort=sort)


@app.command("next", empty="Nothing to do.")
def next_(
    limit: Annotated[int, Option(min=1, help="How many.")] = 5,
    explain: Annotated[bool, Option("--explain", help="Say why each is urgent.")] = False,
) -> list[dict[str, object]]:
    """What to do next: the most urgent tasks that wait for nothing."""
    rows = [ranked.as_json() for ranked in hub.read(service.next_up, limit=limit)]
    output = hub.output()
    if output.structured or output.fields:
        return rows
    keep = ("id", "urgency", "due", "project", "description", *(("why",) if explain else ()))
    return [{k: row[k] for k in keep} for row in rows]


@app.command(says=lambda detail: _card(detail))
def show(id: Id) -> Detail:
    """Show everything about a task."""
    return hub.read(service.detail, id)


def _card(detail: Detail) -> str:
    task = detail.task
    rows = [
        ("ID", f"{task.id} ({task.uuid[-8:]})"),
        ("Description", task.description),
        ("Status", task.status),
    ]
    rows += [("Priority", task.priority or ""), ("Due", task.due or ""), ("Project", task.project or "")]
    rows += [("Tags", ", ".join(task.tags)), ("Waits for", ", ".join(map(str, task.depends_on)))]
    if task.recur_rule:
        kind = "every" if task.recur_mode == "fixed" else "after done, every"
        rows.append(("Repeats", f"{kind} {task.recur_rule}"))
    rows += [
        ("Created", f"{task.created_at:%Y-%m-%d %H:%M} UTC"),
        ("Updated", f"{task.updated_at:%Y-%m-%d %H:%M} UTC"),
    ]
    if detail.urgency is not None:
        rows.append(("Urgency", f"{detail.urgency.urgency} ({detail.urgency.why})"))
    rows += [("Note", f"{n.created_at:%Y-%m-%d} {n.text}") for n in detail.notes]
    rows += [("Worked", f"{i.started_at:%Y-%m-%d %H:%M} – {i.stopped_at or 'now'}") for i in detail.intervals]
    return "\n".join(f"{label:<12} {value}" for label, value in rows if value)


@app.command(says=lambda s: _stats(s))
def stats() -> Stats:
    """Count tasks by status, overdue ones, and the time tracked."""
    return hub.read(service.stats)


def _stats(s: Stats) -> str:
    hours, rest = divmod(s.seconds, 3600)
    return (
        f"{s.total} tasks: {s.todo} todo, {s.in_progress} in progress, {s.done} done\n"
        f"{s.overdue} overdue, {s.done_last_7_days} done in the last 7 days, {hours}h {rest // 60}m tracked"
    )


@app.command(columns=("id", "due", "project", "description"))
def due(within: Annotated[str, Option(help="90min, 24h, 7d, …", metavar="SPAN")] = "24h") -> list[Task]:
    """Tasks due soon or overdue; prints nothing where there are none (for cron)."""
    return hub.read(service.due_within, within)


@app.command(undoable=False)
def export(
    format: Annotated[str, Option("--format", help="json, todo.txt, taskwarrior, csv or md.")] = "json",
    status: Annotated[str, Argument(help="Only this status.")] = "all",
) -> None:
    """Write every task to stdout as a file."""
    from . import formats

    tasks = hub.read(service.find_all, service.wanted(statuses=STATUSES.get(status, (status,))))
    hub.output().raw(formats.write(tasks, format))


@app.command("import", says=lambda rows: f"{len(rows)} tasks imported")
def import_(
    file: Annotated[str, Argument(help="The file, or - for stdin.")],
    format: Annotated[str | None, Option("--format", help="json, todo.txt, taskwarrior, csv or md.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be added, add nothing.")] = False,
) -> list[Task] | None:
    """Add the tasks of a file, all or none."""
    from . import formats

    text = cli.read_file(file)
    drafts = formats.read(text, format or formats.guess(file, text))
    if dry_run:
        tasks = hub.rehearse(service.add_drafts, drafts)
        hub.output().note(f"{len(tasks)} tasks would be imported; nothing was changed.")
        hub.output().show(tasks, COLUMNS)
        return None
    return hub.unit(service.add_drafts, drafts)
