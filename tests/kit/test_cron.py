"""Cron expressions: what comes next, through changes of clocks too, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import clock
from backendhub.kit.cron import next_after
from backendhub.kit.errors import Invalid


def following(expression: str, start: str, zone: str, count: int) -> list[str]:
    found, moment = [], clock.parse(start)
    for _ in range(count):
        moment = next_after(expression, moment, zone)
        found.append(moment.strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("0 3 * * *", "2026-01-05T09:00:00Z", "2026-01-06T03:00:00Z"),
        ("*/15 8-18 * * mon-fri", "2026-01-09T18:45:00Z", "2026-01-12T08:00:00Z"),
        ("@daily", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"),
        ("@HOURLY", "2026-01-05T09:59:59Z", "2026-01-05T10:00:00Z"),
        ("0 0 29 2 *", "2026-01-05T09:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 9 * * *", "2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z"),
        ("30 8-18/2 * * mon-fri", "2026-01-05T09:00:00Z", "2026-01-05T10:30:00Z"),
        ("0 0 1,15 * *", "2026-01-05T09:00:00Z", "2026-01-15T00:00:00Z"),
        ("0 0 * jan,mar sun", "2026-01-05T09:00:00Z", "2026-01-11T00:00:00Z"),
        ("0 0 * * 7", "2026-01-05T09:00:00Z", "2026-01-11T00:00:00Z"),
        (
            "0 0 */10 * mon",
            "2026-01-05T09:00:00Z",
            "2026-05-11T00:00:00Z",
        ),  # a star's step restricts nothing: both
        ("5/20 * * * *", "2026-01-05T09:00:00Z", "2026-01-05T09:05:00Z"),
        ("@yearly", "2026-01-05T09:00:00Z", "2027-01-01T00:00:00Z"),
        ("0 0 L * *", "2026-01-31T09:00:00Z", "2026-02-28T00:00:00Z"),
        ("0 9 * * 5#2", "2026-01-05T09:00:00Z", "2026-01-09T09:00:00Z"),
        ("0 0 13 * 5", "2026-01-05T09:00:00Z", "2026-01-09T00:00:00Z"),  # either day, as crontab(5) has it
        ("*/10 * * * * *", "2026-01-05T09:00:01Z", "2026-01-05T09:00:10Z"),  # six fields: seconds first
    ],
)
def test_the_next_time(expression: str, start: str, expected: str) -> None:
    assert next_after(expression, clock.parse(start)) == clock.parse(expected)


def test_a_time_that_the_clocks_skip_comes_right_after_and_one_that_comes_twice_comes_once() -> None:
    berlin = (
        "Europe/Berlin"  # 29 March 2026: 02:00 becomes 03:00 (01:00 UTC); 25 October: 03:00 becomes 02:00
    )
    assert following("30 2 * * *", "2026-03-28T00:00:00Z", berlin, 3) == ["28 01:30", "29 01:00", "30 00:30"]
    assert following("30 2 * * *", "2026-10-24T00:00:00Z", berlin, 3) == ["24 00:30", "25 00:30", "26 01:30"]


def test_every_so_often_goes_on_through_a_change_of_clocks() -> None:
    berlin = "Europe/Berlin"
    assert following("*/30 * * * *", "2026-10-25T00:15:00Z", berlin, 4) == [
        "25 00:30",
        "25 01:00",
        "25 01:30",
        "25 02:00",
    ]
    assert following("0 * * * *", "2026-03-29T00:30:00Z", berlin, 2) == ["29 01:00", "29 02:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "61 * * * *",
        "* * * * foo",
        "@never",
        "0 0 30 2 *",
        "*/0 * * * *",
        "5-1 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "1,,2 * * * *",
        "* * * '' *",
    ],
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(Invalid, match="no cron expression"):
        next_after(expression, clock.parse("2026-01-05T09:00:00Z"))


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(Invalid, match="no time zone"):
            next_after("@daily", clock.parse("2026-01-05T09:00:00Z"), zone)


def test_the_machines_own_zone_is_followed_through_its_changes_of_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert following("30 2 * * *", "2026-10-24T00:00:00Z", "local", 3) == ["24 00:30", "25 00:30", "26 01:30"]
    monkeypatch.setenv("TZ", "no zone at all")
    assert following("30 2 * * *", "2026-01-05T00:00:00Z", "local", 1) == ["05 02:30"]


@given(st.integers(0, 59), st.integers(0, 23), st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)))
def test_a_daily_time_is_the_first_one_after(minute: int, hour: int, moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    found = next_after(f"{minute} {hour} * * *", moment)
    assert (found.minute, found.hour) == (minute, hour)
    assert 0 < (found - moment).total_seconds() <= 86400
