"""How urgent a task is: Taskwarrior's polynomial, so that its users find their order again."""

from __future__ import annotations

from dataclasses import dataclass

from backendhub.kit import clock
from backendhub.kit.db import as_dict

from .models import Status, Task
from .recurrence import day_of

PRIORITY = {"H": 6.0, "M": 3.9, "L": 1.8}


@dataclass(frozen=True, slots=True)
class Term:
    """One reason and what it adds."""

    reason: str
    points: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A task with its urgency and the reasons for it."""

    task: Task
    urgency: float
    terms: tuple[Term, ...]
    blocked: bool

    def as_json(self) -> dict[str, object]:
        """The task's own fields with the urgency beside them."""
        return {**as_dict(self.task), "urgency": self.urgency, "blocked": self.blocked, "why": self.why}

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return ", ".join(f"{t.reason} {t.points:+.1f}" for t in self.terms)


def rank(task: Task, *, blocked: bool, blocking: int) -> Ranked:
    """The urgency of an unfinished task; `blocking` tasks wait for it."""
    terms = []
    if task.priority is not None:
        terms.append(Term(f"priority {task.priority.value}", PRIORITY[task.priority.value]))
    if task.due is not None:
        left = (day_of(task.due) - clock.today()).days
        # Nothing until two weeks before, everything a week after.
        terms.append(Term(_due_text(left), round(12.0 * min(max((14 - left) / 21 * 0.8 + 0.2, 0.2), 1.0), 1)))
    if task.status is Status.IN_PROGRESS:
        terms.append(Term("in progress", 4.0))
    if blocking:
        terms.append(Term(f"{blocking} waiting for it", 8.0))
    if blocked:
        terms.append(Term("waits for another", -5.0))
    if task.tags:
        terms.append(Term("tags", 0.8 if len(task.tags) == 1 else 1.0))
    if task.project:
        terms.append(Term("project", 1.0))
    age = min((clock.now() - task.created_at).days / 365, 1.0) * 2.0
    if age >= 0.05:
        terms.append(Term("age", round(age, 1)))
    return Ranked(task, round(sum(t.points for t in terms), 1), tuple(terms), blocked)


def _due_text(left: int) -> str:
    if left < 0:
        return f"overdue by {-left}d"
    return "due today" if left == 0 else f"due in {left}d"
