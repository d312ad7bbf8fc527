"""Which snapshots to keep: grandfather, father, son, with a reason for each. Pure: no storage, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, tzinfo

from backendhub.kit.errors import Invalid

from .records import Snapshot

TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many to keep of each kind; `within` keeps everything younger than that."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    def check(self) -> None:
        """An empty policy would remove all but the protected: refused, for it is a slip."""
        if any(getattr(self, f.name) < 0 for f in fields(self) if f.name != "within"):
            raise Invalid("A number of snapshots to keep cannot be negative")
        if self == Policy():
            raise Invalid("No rule of what to keep", hint="For instance --keep-daily 7 --keep-weekly 4.")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a snapshot, and why."""

    snapshot: Snapshot
    keep: bool
    reason: str


_PERIODS: tuple[tuple[str, Callable[[datetime], tuple[int, ...]]], ...] = (
    ("hourly", lambda t: (t.year, t.month, t.day, t.hour)),
    ("daily", lambda t: (t.year, t.month, t.day)),
    ("weekly", lambda t: tuple(t.isocalendar()[:2])),
    ("monthly", lambda t: (t.year, t.month)),
    ("yearly", lambda t: (t.year,)),
)


def plan(
    snapshots: Sequence[Snapshot], policy: Policy, now: datetime, zone: tzinfo, *, force: bool = False
) -> list[Decision]:
    """A decision for every snapshot, oldest first; targets are judged one by one.

    Only good snapshots count towards the numbers, so that a row of broken nights cannot push a good backup
    out. The newest good and the newest drilled one stay whatever the policy says.
    """
    policy.check()
    targets: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        targets.setdefault(snapshot.target, []).append(snapshot)
    decisions: list[Decision] = []
    for target in sorted(targets):
        group = sorted(targets[target], key=lambda s: s.order)
        if not force:
            _check_clock(target, group, now)
        decisions += _plan_one(group, policy, now, zone)
    return decisions


def _check_clock(target: str, group: Sequence[Snapshot], now: datetime) -> None:
    newest = group[-1].time
    latest = max(s.time for s in group)
    if now < newest - TOLERANCE or latest > now + TOLERANCE:
        raise Invalid(
            f"The clock says {now:%Y-%m-%d %H:%M}, but {target!r} has a snapshot of {latest:%Y-%m-%d %H:%M}",
            hint="Set the clock, or pass --force if it is right.",
        )


def _plan_one(group: Sequence[Snapshot], policy: Policy, now: datetime, zone: tzinfo) -> list[Decision]:
    reasons: dict[str, list[str]] = {s.id: [] for s in group}
    good = [s for s in reversed(group) if s.good]  # newest first
    if good:
        reasons[good[0].id].append("newest good")
    drilled = [s for s in good if s.drilled is not None]
    if drilled:
        reasons[drilled[0].id].append("newest drilled")
    for n, snapshot in enumerate(good[: policy.last], 1):
        reasons[snapshot.id].append(f"last {n}")
    if policy.within is not None:
        for snapshot in good:
            if snapshot.time > now - policy.within:
                reasons[snapshot.id].append("within")
    for name, period in _PERIODS:
        _keep_periods(good, name, period, getattr(policy, name), zone, reasons)
    return [_decision(s, reasons[s.id], good) for s in group]


def _keep_periods(
    good: Sequence[Snapshot],
    name: str,
    period: Callable[[datetime], tuple[int, ...]],
    count: int,
    zone: tzinfo,
    reasons: dict[str, list[str]],
) -> None:
    seen: set[tuple[int, ...]] = set()
    for snapshot in good:
        if len(seen) >= count:
            return
        key = period(snapshot.time.astimezone(zone))
        if key not in seen:
            seen.add(key)
            reasons[snapshot.id].append(f"{name} {len(seen)}")


def _decision(snapshot: Snapshot, reasons: list[str], good: Sequence[Snapshot]) -> Decision:
    if reasons:
        return Decision(snapshot, True, ", ".join(reasons))
    if snapshot.good:
        return Decision(snapshot, False, "no rule keeps it")
    if not any(s.order > snapshot.order for s in good):
        # Broken, but newer than every good one: the only trace of the latest data.
        return Decision(snapshot, True, "quarantined, but nothing good is newer")
    return Decision(snapshot, False, f"quarantined: {snapshot.quarantined}")
