"""Looking after the repository: retention, status, lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock, when
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import STALE, Target
from backendhub.systems.backup.repository.repo import Policy, Repository, Snapshot

from . import logs

if TYPE_CHECKING:
    from backendhub.systems.backup.repository.retention import Decision


def policy_of(keep: Mapping[str, Any]) -> Policy:
    """A policy from `{"daily": 7, "within": "30d"}`."""
    values = dict(keep)
    within = values.pop("within", None)
    return Policy(**values, within=when.duration(str(within)) if within else None)


def forget(
    repo: Repository,
    keep: Mapping[str, Any],
    *,
    target: str | None,
    dry_run: bool = False,
    force: bool = False,
) -> list[Decision]:
    """Applies a policy, then drops the logs that no snapshot needs any more."""
    decisions = repo.forget(policy_of(keep), target=target, dry_run=dry_run, force=force)
    if not dry_run:
        for name in sorted({d.snapshot.target for d in decisions if not d.keep}):
            logs.trim(repo, name)
    return decisions


def decision_row(decision: Decision) -> dict[str, Any]:
    """A decision as it is shown."""
    snapshot = decision.snapshot
    return {
        "target": snapshot.target,
        "seq": snapshot.seq,
        "id": snapshot.id[:8],
        "time": snapshot.time,
        "action": "keep" if decision.keep else "remove",
        "reason": decision.reason,
    }


def rows(snapshots: list[Snapshot]) -> list[dict[str, Any]]:
    """Snapshots as `list` shows them, with the end of the logs that follow each."""
    groups: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        groups.setdefault(snapshot.target, []).append(snapshot)
    until = {id: end for group in groups.values() for id, end in logs.windows(group).items()}
    return [row(s, until.get(s.id)) for group in groups.values() for s in group]


def row(snapshot: Snapshot, until: datetime | None) -> dict[str, Any]:
    """One snapshot as it is shown."""
    return {
        "target": snapshot.target,
        "seq": snapshot.seq,
        "id": snapshot.id[:8],
        "time": snapshot.time,
        "type": snapshot.type.value,
        "engine": snapshot.facts.get("engine"),
        "bytes": snapshot.bytes,
        "added": snapshot.added,
        "state": _state(snapshot),
        "drilled": snapshot.drilled and snapshot.drilled.replace(microsecond=0),
        "replayUntil": until,
    }


def _state(snapshot: Snapshot) -> str:
    if not snapshot.good:
        return "quarantined"
    return "warnings" if snapshot.warnings else "good"


@dataclass(frozen=True, slots=True)
class Status:
    """How a target stands. Ages are in seconds; None: never."""

    target: str
    proven: datetime | None  # time of the newest snapshot that a drill has restored
    proven_age: int | None
    drilled: datetime | None
    drill_age: int | None
    newest: datetime | None  # of the newest good snapshot
    age: int | None
    snapshots: int
    running: bool
    stale: list[str]


def status(
    repo: Repository,
    configured: list[Target],
    names: list[str],
    max_age: timedelta | None,
    max_drill_age: timedelta | None,
) -> tuple[list[Status], int]:
    """Every target (or those named), and 50 where something is too old."""
    snapshots = repo.snapshots()
    known = dict.fromkeys([*(t.name for t in configured), *(s.target for s in snapshots)])
    if unknown := [name for name in names if name not in known and name != "hub"]:
        raise Invalid(f"There is no target {unknown[0]!r}.", hint="`backendhub backup targets` shows them.")
    chosen = names or [name for name in known if not name.endswith(".before-restore")] or ["hub"]
    found = [_status(repo, name, snapshots, max_age, max_drill_age) for name in chosen]
    return found, STALE if any(s.stale for s in found) else 0


def _status(
    repo: Repository,
    name: str,
    snapshots: list[Snapshot],
    max_age: timedelta | None,
    max_drill_age: timedelta | None,
) -> Status:
    good = [s for s in snapshots if s.target == name and s.good]
    drilled = [s for s in good if s.drilled]
    proven = drilled[-1].time if drilled else None
    last = max((s.drilled for s in drilled if s.drilled), default=None)
    newest = good[-1].time if good else None
    stale = []
    if max_age is not None and (newest is None or clock.now() - newest > max_age):
        stale.append("no good snapshot" if newest is None else f"the newest snapshot is {clock.ago(newest)}")
    if max_drill_age is not None and (last is None or clock.now() - last > max_drill_age):
        stale.append("never drilled" if last is None else f"the last drill was {clock.ago(last)}")
    return Status(
        name, proven, _age(proven), last, _age(last), newest, _age(newest), len(good),
        repo.lock_holder(name) is not None, stale,
    )  # fmt: skip


def _age(moment: datetime | None) -> int | None:
    return None if moment is None else int((clock.now() - moment).total_seconds())


def write_metrics(found: list[Status], path: Path) -> None:
    """For node_exporter's textfile collector: moments, so that Prometheus itself counts the ages."""
    lines = []
    for name, about in (
        ("proven", "When the newest snapshot was taken that a drill has restored."),
        ("newest", "When the newest good snapshot was taken."),
        ("drilled", "When a drill last succeeded."),
    ):
        metric = f"backendhub_backup_{name}_timestamp_seconds"
        lines += [f"# HELP {metric} {about}", f"# TYPE {metric} gauge"]
        for one in found:
            moment: datetime | None = getattr(one, name)
            label = one.target.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'{metric}{{target="{label}"}} {moment.timestamp() if moment else 0:.0f}')
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_text("\n".join(lines) + "\n", "utf-8")
    fresh.replace(path)
