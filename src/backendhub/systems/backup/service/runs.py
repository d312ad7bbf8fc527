"""Backing up: one run of one target, or all that are due."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.hub import Hub
from backendhub.systems.backup import store
from backendhub.systems.backup.engines.base import Deadline, Engine
from backendhub.systems.backup.models import LOCK_BUSY, BackupError, Dump, Target, Type
from backendhub.systems.backup.notify import Notifier
from backendhub.systems.backup.report import Report, size
from backendhub.systems.backup.repository.repo import Repository, Run, Snapshot

from . import care, journal, logs, targets

SHRUNK = 0.5  # a dump below this share of the last one is not believed
STALL = 1800.0
BASE_AGE = timedelta(days=7)  # how old a physical base may get before `auto` takes a new one


@dataclass(frozen=True, slots=True)
class Wish:
    """How a run is wanted."""

    type: str | None = None
    timeout: float | None = None
    lock_wait: float = 0
    accept_shrink: bool = False

    def deadline(self, target: Target) -> Deadline:
        """When to give up."""
        return Deadline.after(self.timeout, stall=float(target.options.get("stall", STALL)))


def notifier(hub: Hub, report: Report, target: Target) -> Notifier:
    """Where a target's runs are reported."""
    settings = hub.settings
    ping = target.ping or settings.get("backup.ping_url")
    return Notifier(report.warn, ping, settings.get("backup.slack_webhook"))


def run(hub: Hub, repo: Repository, report: Report, target: Target, wish: Wish) -> journal.Job:
    """Backs a target up; what went wrong is in the job."""
    with journal.job(hub, report, target.name, "run", notifier(hub, report, target)) as made:
        report.event("start", target=target.name, rid=made.rid)
        with targets.engine_of(target, hub.settings.database) as engine:
            refuse_nested(engine, repo)
            before = [s for s in repo.snapshots(target.name) if s.good]
            type, only_logs = choose_type(target, before, wish.type)
            made.facts["type"] = type.value
            deadline = wish.deadline(target)
            with (
                report.progress(
                    f"{target.name}", before[-1].bytes if before else None, target=target.name
                ) as step,
                repo.backup(target.name, type=type, wait=wish.lock_wait, progress=step) as work,
            ):
                journal.alone(hub, made)
                if only_logs:
                    newest = before[-1]
                else:
                    newest = _snapshot(work, engine, target, before, wish, deadline, made)
                logs.fetch(repo, engine, target, newest, made, deadline)
        _retain(repo, target, made)
        _tell(report, made, newest, only_logs)
    return made


def failed(hub: Hub, report: Report, target: Target, error: HubError) -> journal.Job:
    """A run that could not even begin: logged, pinged and told like any other."""
    with journal.job(hub, report, target.name, "run", notifier(hub, report, target)) as made:
        raise error
    if target.next_run_at is not None and target.next_run_at <= clock.now():
        hub.unit(targets.after_run, target, ok=False)
    return made


def choose_type(target: Target, before: list[Snapshot], asked: str | None) -> tuple[Type, bool]:
    """What to do, and whether only logs need fetching: a physical base is not read again for every increment."""
    wanted = asked if asked not in (None, "auto") else target.type
    physical = target.options.get("mode") == "physical" or "mode=physical" in target.dsn
    if not before:
        return Type.FULL, False
    if wanted == "auto":
        if physical and clock.now() - before[-1].time > BASE_AGE:
            return Type.DIFF, False
        return Type.INCR, physical
    return Type(wanted), physical and wanted == "incr"


def _snapshot(
    work: Run,
    engine: Engine,
    target: Target,
    before: list[Snapshot],
    wish: Wish,
    deadline: Deadline,
    made: journal.Job,
) -> Snapshot:
    dump = engine.dump(work, type=work.type, deadline=deadline)
    facts = facts_of(engine, target, dump)
    doubt = _doubt(dump, work.read, before, wish.accept_shrink)
    if doubt is not None:
        facts["quarantined"] = doubt
    snapshot = work.commit(dump, **facts)
    for text in (*dump.warnings, *work.warnings):
        made.warn(text)
    if doubt is not None:
        made.warn(f"kept in quarantine: {doubt}")
    made.facts |= {
        "snapshot": snapshot.id,
        "seq": snapshot.seq,
        "type": snapshot.type.value,
        "bytes_read": snapshot.bytes,
        "bytes_added": snapshot.added,
    }
    return snapshot


def facts_of(engine: Engine, target: Target, dump: Dump) -> dict[str, Any]:
    """What a snapshot tells without its key: enough to restore on a host that has lost everything else."""
    options = {k: v for k, v in target.options.items() if not k.startswith("password")}
    facts: dict[str, Any] = {"engine": engine.dsn.engine, "dsn": str(engine.dsn), "options": options}
    facts |= {"tables": len(dump.tables), "host": _host()}
    if dump.meta.get("mode") in ("logical", "physical"):
        facts["mode"] = dump.meta["mode"]
        facts["options"] = {**options, "mode": dump.meta["mode"]}
    if dump.meta.get("position"):
        facts["position"] = dict(dump.meta["position"])
    return facts


def _host() -> str:
    import platform

    return platform.node()


def _doubt(dump: Dump, read: int, before: list[Snapshot], accept_shrink: bool) -> str | None:
    """Why a dump must not count as good."""
    if dump.meta.get("quarantined"):
        return f"malformed: {(dump.meta.get('findings') or ['?'])[0]}"
    if before and not accept_shrink and read < before[-1].bytes * SHRUNK:
        return f"shrank from {size(before[-1].bytes)} to {size(read)}; --accept-shrink if that is right"
    return None


def refuse_nested(engine: Engine, repo: Repository) -> None:
    """A repository inside its own source, or the other way round, would grow by itself."""
    if engine.dsn.engine != "sqlite" or "://" in repo.url:
        return
    source, store_path = engine.dsn.path.expanduser().resolve(), Path(repo.url).resolve()
    if source.is_relative_to(store_path):
        raise BackupError(f"{source} lies inside the repository {store_path}.", 2, hint="Keep them apart.")


def _retain(repo: Repository, target: Target, made: journal.Job) -> None:
    if not target.keep:
        return
    try:
        decisions = care.forget(repo, target.keep, target=target.name)
        made.facts["forgotten"] = sum(not d.keep for d in decisions)
    except HubError as error:
        made.warn(f"Nothing was forgotten: {error.message}")


def _tell(report: Report, made: journal.Job, newest: Snapshot, only_logs: bool) -> None:
    for text in made.warnings:
        report.warn(text, target=made.target)
    fetched = made.facts.get("logs")
    if only_logs:
        text = f"{made.target}: {fetched or 0} logs stored after snapshot {newest.id[:8]}"
    else:
        text = (
            f"{made.target}: {newest.type.value} snapshot {newest.id[:8]}, "
            f"{size(newest.bytes)} read, {size(newest.added)} added"
        )
    report.event("finish", text, rid=made.rid, **made.as_event())


def plan(hub: Hub, repo: Repository | None, target: Target, wish: Wish) -> dict[str, Any]:
    """What a run would do; only looks."""
    before = [s for s in repo.snapshots(target.name) if s.good] if repo else []
    type, only_logs = choose_type(target, before, wish.type)
    with targets.engine_of(target, hub.settings.database) as engine:
        checks = engine.test()
        dsn = str(engine.dsn)
    bad = [c for c in checks if c.severity == "error"]
    return {
        "target": target.name,
        "dsn": dsn,
        "type": "logs only" if only_logs else type.value,
        "buildsOn": before[-1].id[:8] if before and type is not Type.FULL else None,
        "lastBytes": before[-1].bytes if before else None,
        "ready": not bad,
        "why": "; ".join(f"{c.name}: {c.text}" for c in bad) or None,
    }


# ── everything that is due


def due(hub: Hub) -> list[Target]:
    """The targets whose run or drill is due."""
    return hub.read(store.due, clock.now())


def wait_jitter(setting: str | None) -> None:
    """Keeps a thousand hosts with the same cron line from coming in the same second."""
    import random
    import time

    if setting and setting != "0":
        time.sleep(random.uniform(0, seconds(setting)))


def seconds(text: str) -> float:
    """`90`, `90s`, `15min`, `6h` as seconds. Raises Invalid."""
    from backendhub.kit import when

    with suppress(ValueError):
        return max(0.0, float(text.removesuffix("s")))
    return when.duration(text).total_seconds()


def run_due(hub: Hub, repo: Repository, report: Report, found: list[Target], wish: Wish) -> list[journal.Job]:
    """Runs and drills what is due, once each however often it was missed."""
    from . import restores

    now, jobs = clock.now(), []
    for target in found:
        if target.next_run_at is not None and target.next_run_at <= now:
            if (holder := repo.lock_holder(target.name)) is not None:
                jobs += _busy(hub, report, target, holder, wish)
                continue
            made = run(hub, repo, report, target, wish)
            hub.unit(targets.after_run, target, ok=made.exit_code in (0, 3))
            jobs.append(made)
        if target.next_drill_at is not None and target.next_drill_at <= now:
            made = restores.drill(hub, repo, report, target)
            hub.unit(targets.after_drill, target, ok=made.exit_code == 0)
            jobs.append(made)
    if any(made.facts.get("forgotten") for made in jobs) or (jobs and repo.stats()["condemned"]):
        try:
            repo.prune()
        except BackupError as error:
            report.warn(f"prune: {error.message}")
    return jobs


def _busy(
    hub: Hub, report: Report, target: Target, holder: Mapping[str, object], wish: Wish
) -> list[journal.Job]:
    """Another run is at it: fine, unless it has been for longer than any run may take."""
    since = str(holder.get("since", ""))
    with suppress(ValueError):
        age = (clock.now() - clock.parse(since)).total_seconds()
        if wish.timeout and age > wish.timeout:
            with journal.job(hub, report, target.name, "run", notifier(hub, report, target)) as made:
                text = f"{target.name} has been backed up by process {holder.get('pid')} since {since}: it hangs."
                raise BackupError(text, LOCK_BUSY, hint=f"Look at it, then kill {holder.get('pid')}.")
            return [made]
    report.event(
        "skip", f"{target.name}: another run is at it since {since or 'just now'}", target=target.name
    )
    return []


def check_repo_free(path: str) -> dict[str, Any] | None:
    """Free space where a directory's repository lies."""
    if "://" in path:
        return None
    import shutil

    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    usage = shutil.disk_usage(place)
    return {"free": usage.free, "total": usage.total, "writable": os.access(place, os.W_OK)}


def valid_type(text: str | None) -> str | None:
    """A type as typed. Raises Invalid."""
    if text is not None and text not in targets.TYPES:
        raise Invalid(f"There is no type {text!r}.", hint=", ".join(targets.TYPES))
    return text
