"""What a task may hold: typed values, checked and in their stored form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backendhub.kit import clock, when
from backendhub.kit.errors import Invalid
from backendhub.systems.task.models import Filter, Priority, RecurMode, Status, Task

MAX_DESCRIPTION = 10_000
MAX_TAG = 100


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
        statuses=tuple(status_of(s) for s in statuses),
        tag=tag,
        project=project,
        priority=priority_of(priority) if priority else None,
        text=text,
        due_before=when.stored(when.parse(due_before)) if due_before else None,
        due_after=when.stored(when.parse(due_after)) if due_after else None,
        owner=owner,
    )


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """The values that are given, validated and in their stored form. Raises Invalid."""
    checks: dict[str, Callable[[Any], Any]] = {
        "description": lambda v: text_of(v, "description"),
        "priority": lambda v: priority_of(v) if v else None,
        "due": lambda v: when.stored(when.parse(v)) if v else None,
        "project": lambda v: (v.strip() or None) if v else None,
        "status": status_of,
    }
    if unknown := [k for k in values if k not in checks]:
        raise Invalid(f"A task has no {unknown[0]!r} that can be set.")
    return {k: checks[k](v) if v is not None else None for k, v in values.items()}


def text_of(value: str, what: str) -> str:
    """A text as it is stored. Raises Invalid for one that is empty or too long."""
    text = value.strip()
    if not text:
        raise Invalid(f"The {what} is empty.", hint='backendhub task add "Buy groceries"')
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(f"The {what} is longer than {MAX_DESCRIPTION:,} characters.")
    if "\x00" in text:
        raise Invalid(f"The {what} holds a NUL character.")
    return text


def priority_of(value: str) -> Priority:
    """A priority by its letter or name. Raises Invalid."""
    names = {"H": "H", "HIGH": "H", "M": "M", "MEDIUM": "M", "L": "L", "LOW": "L"}
    if (key := names.get(str(value).upper())) is None:
        raise Invalid(f"There is no priority {value!r}.", hint="choose from H, M, L")
    return Priority(key)


def status_of(value: str) -> Status:
    """A status by its name. Raises Invalid."""
    try:
        return Status(value)
    except ValueError:
        raise Invalid(f"There is no status {value!r}.", hint="choose from todo, in-progress, done") from None


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in order, each once and without `+` or `#`. Raises Invalid for what is no word."""
    cleaned = {tag.strip().lstrip("+#") for tag in tags}
    for tag in cleaned:
        if (
            not tag
            or len(tag) > MAX_TAG
            or any(c.isspace() or c == "," or c < " " or "\x7f" <= c <= "\x9f" for c in tag)
        ):
            raise Invalid(f"{tag!r} is not a tag.", hint="a tag is one word without commas")
    return tuple(sorted(cleaned))


def repeat_of(task: Task, changes: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a change of recurrence, or of a fixed series' due date, sets."""
    due = values.get("due", task.due)
    for key, mode in (("every", RecurMode.FIXED), ("every_after", RecurMode.AFTER)):
        if changes.get(key):
            return recurrence_of(changes[key], mode, due or clock.today().isoformat()) | {
                "due": due or clock.today().isoformat()
            }
    if "every" in changes or "every_after" in changes:
        return {"recur_rule": None, "recur_mode": None, "recur_anchor": None}
    return {"recur_anchor": due} if "due" in values and task.recur_rule and due else {}


def recurrence_of(rule: str, mode: RecurMode, anchor: str) -> dict[str, Any]:
    """The columns of a recurrence. Raises Invalid for what is no span."""
    amount, unit = when.span(rule)
    return {"recur_rule": f"{amount}{unit}", "recur_mode": mode, "recur_anchor": anchor}
