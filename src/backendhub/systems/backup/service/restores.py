"""Restoring: what is chosen, what would happen, the restore itself, the drill that proves it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backendhub.kit import clock, when
from backendhub.kit.errors import HubError, Invalid, StoreError
from backendhub.kit.hub import Hub
from backendhub.systems.backup import store
from backendhub.systems.backup.engines.base import Deadline, Dsn, Engine, Restored, engine_for, parse_dsn
from backendhub.systems.backup.models import DRILL_MISMATCH, HUB, BackupError, Target, Type
from backendhub.systems.backup.report import Report, size
from backendhub.systems.backup.repository.repo import Repository, Snapshot

from . import journal, logs, runs, targets


@dataclass(frozen=True, slots=True)
class Choice:
    """What is restored: a snapshot, and the logs to replay over it up to a time."""

    snapshot: Snapshot
    at: datetime | None = None
    first_log: str | None = None
    notes: list[str] = field(default_factory=list)


def choose(repo: Repository, name: str, at: str | None) -> Choice:
    """The newest good snapshot, one by number or id, or the state at a time. Raises Invalid."""
    snapshots = repo.snapshots(name)
    if not snapshots:
        raise Invalid(f"There is no snapshot of {name!r}.", hint="`backendhub backup list` shows them.")
    if at is None:
        good = [s for s in snapshots if s.good]
        if not good:
            raise Invalid(f"No snapshot of {name!r} is good.", hint="Name one: --at NUMBER")
        return Choice(good[-1])
    if at == "latest" or re.fullmatch(r"\d{1,8}|[0-9a-f]{4,32}", at):
        return Choice(repo.find(at, name))
    return _at_time(snapshots, _moment(at))


def _moment(text: str) -> datetime:
    """A time as typed; a day means its end."""
    found = when.parse(text)
    if isinstance(found, datetime):
        return found
    following = found + timedelta(days=1)
    return datetime(following.year, following.month, following.day).astimezone().astimezone(UTC)


def _at_time(snapshots: list[Snapshot], moment: datetime) -> Choice:
    before = [s for s in snapshots if s.good and s.time <= moment]
    if not before:
        oldest = min(s.time for s in snapshots)
        raise Invalid(f"The oldest snapshot is of {clock.iso(oldest)}, later than that.")
    chosen = before[-1]
    until = logs.windows(snapshots).get(chosen.id)
    if until is None:
        text = f"no logs: the state of {clock.iso(chosen.time)}, the last snapshot before that time"
        return Choice(chosen, notes=[text])
    if moment > until:
        raise Invalid(
            f"The logs reach up to {clock.iso(until)} only.",
            hint=f"--at {clock.iso(until)}, or run a backup.",
        )
    return Choice(chosen, moment, logs.first_names(snapshots).get(chosen.id))


def configured(hub: Hub, name: str) -> Target | None:
    """A target as configured here, if it is; a store that is itself broken must not prevent a restore."""
    try:
        return hub.read(store.target, name)
    except StoreError as error:
        hub.output.warn(f"{error.message} Going on with what the snapshot itself knows.")
        return None


def target_of(hub: Hub, snapshot: Snapshot, options: dict[str, str]) -> Target:
    """The target of a snapshot: as configured here, else as the snapshot itself remembers it."""
    found = configured(hub, snapshot.target)
    facts = snapshot.facts
    base = dict(found.options) if found is not None else dict(facts.get("options", {}))
    return targets.ephemeral(snapshot.target, str(facts.get("dsn", "")), {**base, **options})


@dataclass(frozen=True, slots=True)
class Into:
    """Where to: a DSN with the options for reaching it."""

    dsn: Dsn
    options: dict[str, Any]
    is_hub: bool = False


@contextmanager
def destination(hub: Hub, to: str | None, out: Path | None, options: dict[str, Any]) -> Iterator[Into | None]:
    """A DSN, the name of a target, or a file."""
    if out is not None:
        yield Into(Dsn("sqlite", "sqlite", str(out)), options)
        return
    if to is None:
        yield None
        return
    target = None if re.search(r"[/:.\\]", to) else configured(hub, to)
    if target is None and to == HUB:
        target = targets.ephemeral(HUB, HUB)
    if target is None:
        yield Into(parse_dsn(to), options)
        return
    with targets.engine_of(target, hub.settings.database) as engine:
        kept = dict(getattr(engine, "options", {}))
        yield Into(engine.dsn, {**kept, **options}, is_hub=target.dsn == HUB)


def plan(
    choice: Choice, target: Target, into: Into | None, tables: Sequence[str], replace: bool
) -> dict[str, Any]:
    """What a restore would do."""
    snapshot = choice.snapshot
    return {
        "target": snapshot.target,
        "snapshot": snapshot.id[:8],
        "seq": snapshot.seq,
        "time": snapshot.time,
        "engine": snapshot.facts.get("engine"),
        "bytes": snapshot.bytes,
        "state": "good" if snapshot.good else f"quarantined: {snapshot.quarantined}",
        "drilled": snapshot.drilled and snapshot.drilled.replace(microsecond=0),
        "source": target.dsn,
        "replayTo": choice.at,
        "tables": list(tables) or "all",
        "into": str(into.dsn) if into else None,
        "replace": replace,
        "notes": choice.notes,
    }


@dataclass(frozen=True, slots=True)
class Order:
    """What is restored and how."""

    choice: Choice
    target: Target
    into: Into
    tables: list[str]
    replace: bool
    safety: bool
    timeout: float | None


def restore(hub: Hub, repo: Repository, report: Report, order: Order) -> journal.Job:
    """Restores; what it overwrites is backed up first."""
    snapshot = order.choice.snapshot
    with journal.job(hub, report, snapshot.target, "restore") as made:
        made.facts |= {"snapshot": snapshot.id, "bytes_read": snapshot.bytes}
        report.event("start", target=snapshot.target, rid=made.rid)
        options = {**order.target.options, **order.into.options}
        engine = engine_for(order.target.dsn, options=options)
        deadline = Deadline.after(order.timeout)
        source = repo.source(snapshot)  # the key is asked for before anything is touched
        if order.replace and order.safety:
            _safety(repo, order, options, made, deadline)
        if order.into.is_hub and (opened := hub.__dict__.pop("store", None)) is not None:
            opened.close()  # and opened again on what was restored
        done = _restore(engine, repo, source, order, deadline)
        for text in done.warnings:
            made.warn(text)
            report.warn(text, target=snapshot.target)
        made.facts["into"] = done.target
        what = f"{len(done.tables)} tables of " if done.tables else ""
        text = f"{snapshot.target}: {what}snapshot {snapshot.id[:8]} ({clock.iso(snapshot.time)}) restored into {done.target}"
        if order.into.is_hub:  # the log now is the one that was restored
            journal.begin_again(hub, report, made)
        report.event("finish", text, rid=made.rid, **made.as_event())
    return made


def _restore(engine: Engine, repo: Repository, source: Any, order: Order, deadline: Deadline) -> Restored:
    choice = order.choice
    history = logs.LogSource(repo, choice.snapshot.target, choice.first_log) if choice.at else None
    return engine.restore(
        source,
        order.into.dsn,
        tables=order.tables or None,
        at=choice.at,
        replace=order.replace,
        logs=history,
        deadline=deadline,
    )


def _safety(
    repo: Repository, order: Order, options: dict[str, Any], made: journal.Job, deadline: Deadline
) -> None:
    """A snapshot of what is about to be overwritten, under `NAME.before-restore`."""
    if options.get("mode") == "physical":
        return  # the old directory is kept under another name
    there = engine_for(order.into.dsn, options=options)
    try:
        if there.is_empty(order.into.dsn):
            return
        name = f"{order.choice.snapshot.target}.before-restore"
        with repo.backup(name, type=Type.INCR, wait=60) as work:
            dump = there.dump(work, deadline=deadline)
            kept = targets.ephemeral(name, str(order.into.dsn), options)
            snapshot = work.commit(dump, **runs.facts_of(there, kept, dump))
        made.facts["before"] = snapshot.id
    except HubError as error:
        raise BackupError(
            f"What is there could not be backed up before it is overwritten: {error.message}",
            error.exit_code,
            hint="--no-safety-copy goes on without.",
        ) from error


# ── drills


def drill(
    hub: Hub,
    repo: Repository,
    report: Report,
    target: Target,
    *,
    snapshot: Snapshot | None = None,
    sql: Sequence[str] = (),
    keep: Path | None = None,
    timeout: float | None = None,
) -> journal.Job:
    """Restores a snapshot into a throwaway server, dumps it again and compares; a success is recorded on it."""
    with journal.job(hub, report, target.name, "drill", runs.notifier(hub, report, target)) as made:
        chosen = snapshot or choose(repo, target.name, None).snapshot
        made.facts["snapshot"] = chosen.id
        report.event("start", target=target.name, rid=made.rid, snapshot=chosen.id)
        known = target_of(hub, chosen, {})
        engine = engine_for(known.dsn, options=known.options)
        checks = [*sql, *_own_checks(target)]
        found = engine.drill(repo.source(chosen), sql=checks, keep=keep, deadline=Deadline.after(timeout))
        made.facts |= {"server": found.server, "bytes_read": found.compared_bytes}
        for check in found.checks:
            report.event("check", f"{check.severity}: {check.name}: {check.text}", check=check)
        if not found.ok:
            bad = [*found.findings, *(f"{c.name}: {c.text}" for c in found.checks if c.severity == "error")]
            raise BackupError(f"The drill of {target.name} failed: {'; '.join(bad[:5])}", DRILL_MISMATCH)
        repo.mark(chosen, drilled=True)
        text = f"{target.name}: snapshot {chosen.id[:8]} restores; {size(found.compared_bytes)} compared ({found.server})"
        report.event("finish", text, rid=made.rid, **made.as_event())
    return made


def _own_checks(target: Target) -> list[str]:
    path = target.options.get("checks")
    return statements(Path(str(path)).expanduser().read_text("utf-8")) if path else []


def statements(text: str) -> list[str]:
    """The statements of an SQL file: each ends with `;` at the end of a line; `--` lines are comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";[ \t]*(?:\n|$)", "\n".join(lines)) if part.strip()]
