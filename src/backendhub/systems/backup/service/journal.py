"""The run log: every run, restore, drill begins and ends with an entry, even if the store is in trouble."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from backendhub.kit import clock, ids
from backendhub.kit.errors import HubError, StoreError
from backendhub.kit.hub import Hub
from backendhub.systems.backup import store
from backendhub.systems.backup.models import WARNINGS, Entry, coded, worst
from backendhub.systems.backup.notify import Notifier
from backendhub.systems.backup.report import Report, status_of


@dataclass(slots=True)
class Job:
    """One job as it goes: what is known so far and how it ended."""

    target: str
    action: str
    rid: str = field(default_factory=lambda: str(ids.uuid7()))
    exit_code: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    entry: Entry | None = None
    message: str | None = None

    def warn(self, text: str) -> None:
        """Makes the job end with 3 at best."""
        self.warnings.append(text)
        self.exit_code = worst((self.exit_code, WARNINGS))

    def as_event(self) -> dict[str, Any]:
        """What the summary says of it."""
        said = {
            "target": self.target,
            "action": self.action,
            "status": status_of(self.exit_code),
            **self.facts,
            "exit": self.exit_code,
        }
        if self.warnings:
            said["warnings"] = self.warnings
        return said | ({"message": self.message} if self.message else {})


@contextmanager
def job(
    hub: Hub, report: Report, target: str, action: str, notifier: Notifier | None = None
) -> Iterator[Job]:
    """Runs a block as a job: logged, pinged, its error reported instead of raised. Signals pass through."""
    made = Job(target, action)
    begun = time.monotonic()
    report.tail = []
    _begin(hub, report, made)
    if notifier:
        notifier.started(made.rid)
    try:
        yield made
    except KeyboardInterrupt:
        made.exit_code, made.message = 130, "interrupted (SIGINT)"
        raise
    except SystemExit as stop:
        made.exit_code = stop.code if isinstance(stop.code, int) else 1
        made.message = "stopped (SIGTERM)"
        raise
    except Exception as error:  # also of a bug: the other targets still want their backup
        failure = coded(error) or _unexpected(error)
        made.exit_code, made.message = failure.exit_code, failure.message
        report.fail(failure, target=target)
    finally:
        made.facts["seconds"] = round(time.monotonic() - begun, 3)
        before = _finish(hub, report, made)
        if notifier:
            _notify(notifier, report, made, before)


def _unexpected(error: Exception) -> HubError:
    import logging

    logging.getLogger("backendhub.backup").info("unexpected failure", exc_info=error)  # shown under --debug
    text = f"Unexpected failure: {type(error).__name__}: {error}"
    return HubError(text, hint="add --debug for the traceback; please report it")


def _begin(hub: Hub, report: Report, made: Job) -> None:
    try:
        made.entry = hub.unit(
            store.begin, rid=made.rid, target=made.target, action=made.action, started_at=clock.now()
        )
    except StoreError as error:  # a full disk must not keep anybody from backing up or pruning
        report.warn(f"The run log cannot be written: {error.message}")


def begin_again(hub: Hub, report: Report, made: Job) -> None:
    """Writes the entry anew, for the store was replaced under it."""
    made.entry = None
    _begin(hub, report, made)
    if made.entry is not None:
        hub.unit(store.interrupt_all, made.entry)


def alone(hub: Hub, made: Job) -> None:
    """To be called once the job holds its lock: whatever the log still shows as running has died."""
    if made.entry is not None:
        try:
            hub.unit(store.interrupt, made.entry)
        except StoreError as error:
            made.warn(f"The run log cannot be written: {error.message}")


def _finish(hub: Hub, report: Report, made: Job) -> Entry | None:
    if made.entry is None:
        return None
    known = ("type", "snapshot", "bytes_read", "bytes_added", "seconds")
    changes = {key: made.facts.get(key) for key in known}
    changes |= {"status": status_of(made.exit_code), "exit_code": made.exit_code, "finished_at": clock.now()}
    changes["message"] = made.message or "; ".join(made.warnings)[:2000] or None
    try:
        hub.unit(store.finish, made.entry.id, **changes)
        return hub.read(store.before, made.entry)
    except StoreError as error:
        report.warn(f"The run log cannot be written: {error.message}")
        return None


def _notify(notifier: Notifier, report: Report, made: Job, before: Entry | None) -> None:
    notifier.finished(made.rid, made.exit_code, "\n".join(report.tail))
    said = made.message or "; ".join(made.warnings)
    if made.exit_code:
        notifier.message(f"backup {made.action} of {made.target}: exit {made.exit_code}. {said}")
    elif before is not None and before.status != "ok":
        notifier.message(f"backup {made.action} of {made.target}: works again.")
