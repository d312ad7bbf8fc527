from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from backendhub.kit import clock, ids


def test_frozen_time_holds_and_ends() -> None:
    with clock.frozen("2026-01-05T09:00:00.250Z"):
        assert clock.precise() == clock.precise() == datetime(2026, 1, 5, 9, 0, 0, 250_000, tzinfo=UTC)
        assert clock.now() == datetime(2026, 1, 5, 9, tzinfo=UTC)
        with clock.frozen("2027-01-01"):
            assert clock.today().isoformat() == "2027-01-01"
        assert clock.today().isoformat() == "2026-01-05"
    assert clock._frozen is None


def test_a_time_without_an_offset_is_utc() -> None:
    assert clock.parse("2026-01-05T09:00") == clock.parse("2026-01-05T10:00+01:00")


def test_a_moment_without_an_offset_is_utc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for block in (clock.frozen, clock.traveling):
            with block(datetime(2026, 1, 5, 9)):
                assert clock.now() == datetime(2026, 1, 5, 9, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_wall_is_the_present_outside_of_every_journey() -> None:
    with clock.frozen("2026-01-05T09:00"), clock.traveling("2030-01-01"):
        assert (clock.now().year, clock.wall().year) == (2030, 2026)


def test_iso_has_a_fraction_only_where_there_is_one() -> None:
    there = datetime(2026, 1, 5, 10, tzinfo=timezone(timedelta(hours=1)))
    assert clock.iso(there) == "2026-01-05T09:00:00Z"
    assert clock.iso(there.replace(microsecond=1000)) == "2026-01-05T09:00:00.001000Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (59, "just now"), (60, "1m ago"), (7200, "2h ago"), (200_000, "2d ago")],
)
def test_ago(seconds: int, text: str) -> None:
    with clock.frozen("2026-01-05T09:00:00Z"):
        assert clock.ago(clock.now() - timedelta(seconds=seconds)) == text


def test_the_variable_freezes_a_process_and_the_zone_decides_the_day() -> None:
    script = (
        "from backendhub.kit import clock; import sys; sys.stdout.write(f'{clock.today()} {clock.now()}')"
    )
    env = {**os.environ, "BACKENDHUB_NOW": "2026-01-05T23:30:00Z", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=30)
    assert done.stdout == "2026-01-06 2026-01-05 23:30:00+00:00"


def test_uuid7_is_version_7_and_strictly_increasing() -> None:
    made = [ids.uuid7() for _ in range(5000)]
    assert made == sorted(set(made))
    shape = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(shape, text) for text in made)


def test_uuid7_increases_even_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.uuid7()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    assert ids.uuid7() > first


def test_uuid7_holds_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_767_603_600_000 * 1_000_000)
    assert int(ids.uuid7().replace("-", "")[:12], 16) == 1_767_603_600_000


def test_uuid7_of_several_threads_differ() -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend(ids.uuid7() for _ in range(500))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000
