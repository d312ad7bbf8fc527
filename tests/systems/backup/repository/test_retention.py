"""Retention over histories that people and clocks produce."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import Type
from backendhub.systems.backup.repository.records import Snapshot
from backendhub.systems.backup.repository.retention import Decision, Policy, plan

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def snapshot(
    seq: int, moment: datetime, *, bad: bool = False, drilled: bool = False, target: str = "db"
) -> Snapshot:
    return Snapshot(
        id=f"{target}-{seq}",
        target=target,
        seq=seq,
        time=moment,
        type=Type.INCR,
        bytes=1,
        added=1,
        packs=(),
        quarantined="broken" if bad else None,
        drilled=moment if drilled else None,
    )


def kept(decisions: list[Decision]) -> list[int]:
    return [d.snapshot.seq for d in decisions if d.keep]


def test_grandfather_father_son() -> None:
    history = [snapshot(n, START - timedelta(hours=12) * (120 - n)) for n in range(121)]
    decisions = plan(history, Policy(last=2, daily=3, weekly=2, monthly=2), START, UTC)
    assert kept(decisions) == [106, 116, 118, 119, 120]
    reasons = {d.snapshot.seq: d.reason for d in decisions if d.keep}
    assert reasons[120].startswith("newest good, last 1, daily 1, weekly 1, monthly 1")
    assert all(d.reason for d in decisions)


def test_the_newest_of_each_day_is_kept() -> None:
    history = [snapshot(n, START - timedelta(hours=6) * (40 - n)) for n in range(41)]
    days = [d.snapshot.time for d in plan(history, Policy(daily=4), START, UTC) if d.keep]
    assert [t.date().day for t in days] == [26, 27, 28, 1]
    assert all(t.hour == 18 for t in days[:-1])


def test_days_are_those_of_the_zone() -> None:
    history = [
        snapshot(1, datetime(2026, 1, 1, 23, tzinfo=UTC)),
        snapshot(2, datetime(2026, 1, 2, 1, tzinfo=UTC)),
    ]
    now = datetime(2026, 1, 2, 2, tzinfo=UTC)
    assert kept(plan(history, Policy(daily=5), now, UTC)) == [1, 2]
    assert kept(plan(history, Policy(daily=5), now, ZoneInfo("Europe/Berlin"))) == [2]


def test_broken_nights_do_not_push_good_ones_out() -> None:
    history = [snapshot(n, START - timedelta(days=9 - n), bad=n > 3) for n in range(10)]
    assert kept(plan(history, Policy(last=2), START, UTC)) == [2, 3, *range(4, 10)]


def test_old_quarantined_ones_go() -> None:
    history = [snapshot(n, START - timedelta(days=9 - n), bad=n == 4) for n in range(10)]
    decisions = plan(history, Policy(last=2), START, UTC)
    assert kept(decisions) == [8, 9]
    assert decisions[4].reason == "quarantined: broken"


def test_within_keeps_everything_young() -> None:
    history = [snapshot(n, START - timedelta(hours=10 - n)) for n in range(11)]
    assert kept(plan(history, Policy(within=timedelta(hours=3)), START, UTC)) == [8, 9, 10]


@pytest.mark.parametrize("policy", [Policy(), Policy(daily=-1)])
def test_policies_that_are_slips(policy: Policy) -> None:
    with pytest.raises(Invalid):
        plan([], policy, START, UTC)


@pytest.mark.parametrize("days", [-1, -365, -1 / 200])
def test_a_clock_behind_the_newest_snapshot_is_refused(days: float) -> None:
    history = [snapshot(1, START - timedelta(days=400)), snapshot(2, START)]
    with pytest.raises(Invalid) as e:
        plan(history, Policy(last=1), START + timedelta(days=days), UTC)
    assert e.value.exit_code == 2
    assert kept(plan(history, Policy(last=1), START + timedelta(days=days), UTC, force=True)) == [2]


def test_a_snapshot_from_the_future_is_refused_even_if_later_ones_are_not() -> None:
    history = [snapshot(1, START + timedelta(days=365)), snapshot(2, START)]
    with pytest.raises(Invalid):
        plan(history, Policy(last=1), START + timedelta(hours=1), UTC)


policies = st.builds(
    Policy,
    last=st.integers(0, 5),
    hourly=st.integers(0, 5),
    daily=st.integers(0, 5),
    weekly=st.integers(0, 5),
    monthly=st.integers(0, 5),
    yearly=st.integers(0, 5),
    within=st.none() | st.timedeltas(timedelta(0), timedelta(days=100)),
).filter(lambda p: p != Policy())
histories = st.lists(
    st.tuples(
        st.integers(-3 * 365 * 24 * 60, 60 * 24 * 400),  # minutes: clocks jump both ways
        st.booleans(),
        st.booleans(),
        st.sampled_from(["a", "b"]),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(histories, policies, st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]))
def test_nothing_that_matters_is_ever_removed(
    history: list[tuple[int, bool, bool, str]], policy: Policy, zone: str
) -> None:
    snapshots = [
        snapshot(n, START + timedelta(minutes=m), bad=bad, drilled=drilled, target=target)
        for n, (m, bad, drilled, target) in enumerate(history)
    ]
    decisions = plan(snapshots, policy, START, ZoneInfo(zone), force=True)
    assert sorted(d.snapshot.id for d in decisions) == sorted(s.id for s in snapshots)
    keep = {d.snapshot.id for d in decisions if d.keep}
    for target in ("a", "b"):
        group = sorted((s for s in snapshots if s.target == target), key=lambda s: s.seq)
        good = [s for s in group if s.good]
        if good:
            assert good[-1].id in keep
            assert {s.id for s in good[-max(1, policy.last) :]} <= keep
        if drilled := [s for s in good if s.drilled]:
            assert drilled[-1].id in keep
        newest_good = good[-1].seq if good else -1
        assert {s.id for s in group if s.seq > newest_good} <= keep
    # The plan is stable: what it keeps, it keeps again.
    again = plan([d.snapshot for d in decisions if d.keep], policy, START, ZoneInfo(zone), force=True)
    assert {d.snapshot.id for d in again if d.keep} == keep


@settings(max_examples=100, deadline=None)
@given(histories, policies, st.integers(-500, 500))
def test_a_doubtful_clock_removes_nothing(
    history: list[tuple[int, bool, bool, str]], policy: Policy, days: int
) -> None:
    now = START + timedelta(days=days)
    snapshots = [
        snapshot(n, START + timedelta(minutes=m), bad=b, drilled=d) for n, (m, b, d, _) in enumerate(history)
    ]
    doubtful = any(s.time > now + timedelta(minutes=5) for s in snapshots)
    try:
        plan(snapshots, policy, now, UTC)
    except Invalid:
        assert doubtful
    else:
        assert not doubtful
