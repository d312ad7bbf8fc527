"""What a long command tells while it works: lines for a person, NDJSON events for a program."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import HubError
from backendhub.kit.output import Output, dumps

EVERY = 5.0  # seconds between two progress events


class Report:
    """The voice of one command. Under --json every line is an event and the last one the summary."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.tail: list[str] = []  # what a ping carries

    @property
    def json(self) -> bool:
        """Whether a program listens."""
        return self.output.structured

    def event(self, name: str, text: str | None = None, **fields: Any) -> None:
        """Something happened; `text` is how a person is told."""
        if text is not None:
            self.tail.append(text)
        if self.json:
            stamped = {"v": 1, "event": name, "time": clock.iso(clock.now()), **fields}
            self.output.raw(dumps(stamped, compact=True) + "\n")
            self.output.stdout.flush()
        elif text is not None and not self.output.quiet:
            self.output.line(text)

    def warn(self, text: str, **fields: Any) -> None:
        """Not as it should be, yet done."""
        self.tail.append(f"Warning: {text}")
        if self.json:
            self.event("warning", message=text, **fields)
        else:
            self.output.warn(text)

    def fail(self, error: HubError, **fields: Any) -> None:
        """A job failed; the others go on."""
        self.tail += [f"Error: {error.message}", *([f"Hint: {error.hint}"] if error.hint else [])]
        if said := error.details.get("stderr"):
            self.tail.append(str(said)[-4000:])
        if self.json:
            self.event("error", message=error.message, hint=error.hint, exit=error.exit_code, **fields)
        else:
            self.output.fail(error)

    def summary(self, status: str, exit_code: int, **fields: Any) -> None:
        """The last line."""
        if self.json:
            line = {"v": 1, "event": "summary", "status": status, **fields, "exit": exit_code}
            self.output.raw(dumps(line, compact=True) + "\n")

    @contextmanager
    def progress(self, text: str, total: float | None, **fields: Any) -> Iterator[Callable[[str, int], None]]:
        """A callback for the repository: (what, bytes done so far)."""
        last, spoken = 0, time.monotonic()
        with self.output.progress(text, total) as advance:

            def step(what: str, done: int) -> None:
                nonlocal last, spoken
                advance(done - last)
                last = done
                if self.json and time.monotonic() - spoken >= EVERY:
                    spoken = time.monotonic()
                    self.event("progress", what=what, bytes=done, total=total, **fields)

            yield step


def size(count: float | None) -> str:
    """Bytes as a person reads them: `530.2 MB`."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def status_of(exit_code: int) -> str:
    """The word for an exit code."""
    return {0: "ok", 3: "warnings"}.get(exit_code, "failed")
