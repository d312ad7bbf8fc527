"""Tasks in and out: JSON (the brief's keys), todo.txt, Taskwarrior's JSON, CSV and Markdown.

Reading gives drafts (keyword arguments of `service.add`) with the line they came from; nothing is stored here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.kit.output import csv_cell, dumps

from .models import RecurMode, Status, Task

FORMATS = ("json", "todo.txt", "taskwarrior", "csv", "md")
COLUMNS = ("id", "description", "status", "priority", "due", "project", "tags", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Draft:
    """A task to be added and where in the file it stood; `after` are ids in the file's own numbering."""

    where: str
    values: dict[str, Any]
    id: int | None = None
    after: tuple[int, ...] = ()


def write(tasks: list[Task], format: str) -> str:
    """A file of tasks. Raises Invalid for an unknown format."""
    writers: dict[str, Callable[[list[Task]], str]] = {
        "json": lambda rows: dumps(rows, indent=2) + "\n",
        "todo.txt": lambda rows: "".join(_todotxt_line(t) + "\n" for t in rows),
        "taskwarrior": lambda rows: "[\n" + ",\n".join(dumps(_taskwarrior(t)) for t in rows) + "\n]\n",
        "csv": _csv,
        "md": lambda rows: "".join(_markdown_line(t) + "\n" for t in rows),
    }
    return writers[_format(format)](tasks)


def read(text: str, format: str) -> list[Draft]:
    """The tasks of a file. Raises Invalid that names the line or entry that cannot be read."""
    readers: dict[str, Callable[[str], Iterator[Draft]]] = {
        "json": _read_json,
        "todo.txt": _read_todotxt,
        "taskwarrior": _read_taskwarrior,
        "csv": _read_csv,
        "md": _read_markdown,
    }
    return list(readers[_format(format)](text.removeprefix("\ufeff")))


def guess(name: str, text: str) -> str:
    """The format of a file by its name, or for JSON by its keys."""
    suffix = name.rsplit(".", 1)[-1].lower()
    if suffix == "json" or text.lstrip()[:1] in ("[", "{"):
        return "taskwarrior" if re.search(r'"entry"\s*:\s*"\d{8}T', text) else "json"
    return {"csv": "csv", "md": "md", "markdown": "md", "txt": "todo.txt"}.get(suffix, "todo.txt")


def _format(name: str) -> str:
    known = {"todotxt": "todo.txt", "txt": "todo.txt", "tw": "taskwarrior", "markdown": "md"}
    name = known.get(name, name)
    if name not in FORMATS:
        raise Invalid(f"There is no format {name!r}.", hint="choose from " + ", ".join(FORMATS))
    return name


# -- JSON -------------------------------------------------------------------------------------------------


def _read_json(text: str) -> Iterator[Draft]:
    for number, entry in enumerate(_entries(text), 1):
        where = f"entry {number}"
        recur = "every_after" if entry.get("recurMode") == RecurMode.AFTER else "every"
        values: dict[str, Any] = {
            "description": _string(entry, "description", where) or "",
            "status": _string(entry, "status", where) or "todo",
            "priority": _string(entry, "priority", where),
            "due": _string(entry, "due", where),
            "project": _string(entry, "project", where),
            "tags": _strings(entry.get("tags"), where),
            recur: _string(entry, "recurRule", where),
        }
        for key, column in (("createdAt", "created_at"), ("updatedAt", "updated_at"), ("doneAt", "done_at")):
            if stamp := _string(entry, key, where):
                values[column] = _moment(stamp, where)
        after = tuple(i for i in entry.get("dependsOn") or () if isinstance(i, int))
        yield Draft(where, values, entry.get("id"), after)


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The file is not JSON: {error}.") from None
    found = data if isinstance(data, list) else [data]
    if not all(isinstance(entry, dict) for entry in found):
        raise Invalid("The file is not a list of tasks.")
    return found


def _string(entry: dict[str, Any], key: str, where: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{where}: {key} is not a text.")
    return value


def _strings(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise Invalid(f"{where}: tags is not a list of texts.")
    return value


def _moment(text: str, where: str) -> datetime:
    try:
        return clock.parse(text)
    except ValueError:
        raise Invalid(f"{where}: {text!r} is not a time.") from None


# -- todo.txt (github.com/todotxt/todo.txt, format description) ---------------------------------------------

_TODOTXT_PRIORITY = {"H": "A", "M": "B", "L": "C"}
_TODOTXT = re.compile(
    r"(?P<done>x )?(?:\((?P<priority>[A-Z])\) )?(?P<dates>(?:\d{4}-\d\d-\d\d ){0,2})(?P<text>.+)"
)


def _todotxt_line(task: Task) -> str:
    created = task.created_at.date().isoformat()
    parts = []
    if task.status is Status.DONE:
        parts += ["x", (task.done_at or task.updated_at).date().isoformat()]
    elif task.priority:
        parts.append(f"({_TODOTXT_PRIORITY[task.priority]})")
    parts += [created, " ".join(task.description.split())]
    parts += [f"+{task.project.replace(' ', '_')}"] if task.project else []
    parts += [f"@{tag}" for tag in task.tags]
    parts += [f"due:{task.due[:10]}"] if task.due else []
    if task.recur_rule:
        parts.append(f"rec:{'+' if task.recur_mode is RecurMode.FIXED else ''}{task.recur_rule}")
    if task.status is Status.DONE and task.priority:
        parts.append(f"pri:{_TODOTXT_PRIORITY[task.priority]}")
    return " ".join(parts)


def _read_todotxt(text: str) -> Iterator[Draft]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _TODOTXT.fullmatch(line.strip())
        if match is None:
            raise Invalid(f"line {number}: {line.strip()!r} is not a todo.txt task.")
        yield Draft(f"line {number}", _from_todotxt(match))


def _from_todotxt(match: re.Match[str]) -> dict[str, Any]:
    words: list[str] = []
    tags: list[str] = []
    values: dict[str, Any] = {"tags": tags, "status": "done" if match["done"] else "todo"}
    extras: dict[str, str | None] = {"due": None, "rec": None, "pri": match["priority"]}
    for word in match["text"].split():
        key, colon, value = word.partition(":")
        if colon and value and key in extras:
            extras[key] = value
        elif word.startswith("+") and len(word) > 1:
            values["project"] = word[1:].replace("_", " ")
        elif word.startswith("@") and len(word) > 1:
            tags.append(word[1:])
        else:
            words.append(word)
    letter = extras["pri"]
    values |= {"description": " ".join(words), "due": extras["due"]}
    values["priority"] = {"A": "H", "B": "M"}.get(letter, "L") if letter else None
    if rule := extras["rec"]:
        values["every" if rule.startswith("+") else "every_after"] = rule.lstrip("+")
    dates = match["dates"].split()
    if dates:
        values["created_at"] = clock.parse(dates[-1])
    if match["done"] and dates:
        values["done_at"] = clock.parse(dates[0])
    return values


# -- Taskwarrior -------------------------------------------------------------------------------------------


def _taskwarrior(task: Task) -> dict[str, Any]:
    status = {Status.DONE: "completed"}.get(task.status, "pending")
    row: dict[str, Any] = {"uuid": task.uuid, "description": task.description, "status": status}
    row |= {"entry": _compact(task.created_at), "modified": _compact(task.updated_at)}
    if task.status is Status.IN_PROGRESS:
        row["start"] = _compact(task.updated_at)
    if task.done_at:
        row["end"] = _compact(task.done_at)
    if task.due:
        row["due"] = _compact(datetime.fromisoformat(task.due).astimezone())
    row |= {k: v for k, v in (("project", task.project), ("priority", task.priority)) if v}
    return row | ({"tags": list(task.tags)} if task.tags else {})


def _compact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _read_taskwarrior(text: str) -> Iterator[Draft]:
    if text.lstrip().startswith("{"):  # one object a line, as older versions export
        text = "[" + ",".join(line.rstrip(",") for line in text.splitlines() if line.strip()) + "]"
    for number, entry in enumerate(_entries(text), 1):
        where = f"entry {number}"
        if entry.get("status") in ("deleted", "recurring"):
            continue
        status = (
            "done" if entry.get("status") == "completed" else "in-progress" if entry.get("start") else "todo"
        )
        values = {key: _string(entry, key, where) for key in ("description", "project", "priority")}
        values["description"] = values["description"] or ""
        stamps = {c: _string(entry, k, where) for k, c in _TW_STAMPS.items()}
        dated = {c: _moment(s, where) for c, s in stamps.items() if s}
        due = dated.pop("due", None)
        tags = _strings(entry.get("tags"), where)
        yield Draft(where, {**values, **dated, "status": status, "due": due and clock.iso(due), "tags": tags})


_TW_STAMPS = {"entry": "created_at", "modified": "updated_at", "end": "done_at", "due": "due"}


# -- CSV and Markdown ---------------------------------------------------------------------------------------


def _csv(tasks: list[Task]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task in tasks:
        row = [getattr(task, name) for name in COLUMNS]
        writer.writerow([" ".join(v) if isinstance(v, tuple) else csv_cell(v) for v in row])
    return out.getvalue()


def _read_csv(text: str) -> Iterator[Draft]:
    dialect = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=dialect)
    if "description" not in (reader.fieldnames or ()):
        raise Invalid("The CSV file has no column `description`.", hint="its first line names the columns")
    for row in reader:
        where = f"line {reader.line_num}"
        if None in row:
            raise Invalid(f"{where}: there are more values than columns.")
        values: dict[str, Any] = {k: row.get(k) or None for k in ("priority", "due", "project")}
        description = row["description"] or ""
        values["description"] = description[1:] if re.match(r"'[=+\-@\t\r]", description) else description
        values |= {"status": row.get("status") or "todo", "tags": (row.get("tags") or "").split()}
        for column in ("created_at", "updated_at"):
            if row.get(column):
                values[column] = _moment(row[column], where)
        yield Draft(where, values)


def _markdown_line(task: Task) -> str:
    mark = {Status.DONE: "x", Status.IN_PROGRESS: "/"}.get(task.status, " ")
    extra = [f"#{tag}" for tag in task.tags] + ([f"(due {task.due})"] if task.due else [])
    return " ".join([f"- [{mark}]", " ".join(task.description.split()), *extra])


def _read_markdown(text: str) -> Iterator[Draft]:
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"\s*[-*+] \[([ xX/])\] (.+)", line)
        if match is None:
            continue  # prose and headings around the list
        body = match[2]
        due = re.search(r"\(due ([^)\s]+)\)", body)
        tags = re.findall(r"(?:^|\s)#([^\s#,]+)", body)
        description = re.sub(r"\s*\(due [^)\s]+\)|(?:^|\s)#[^\s#,]+", "", body).strip()
        status = {"x": "done", "X": "done", "/": "in-progress"}.get(match[1], "todo")
        values = {"description": description, "status": status, "tags": tags, "due": due and due[1]}
        yield Draft(f"line {number}", values)
