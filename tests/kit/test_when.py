from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import clock, when
from backendhub.kit.errors import Invalid


@pytest.fixture(autouse=True)
def monday(frozen: Callable[[str], None]) -> Iterator[None]:
    """2026-01-05 is a Monday."""
    yield


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2026-01-05"),
        (" Tomorrow ", "2026-01-06"),
        ("yesterday", "2026-01-04"),
        ("mon", "2026-01-12"),  # the next one, never today
        ("fri", "2026-01-09"),
        ("SUNDAY", "2026-01-11"),
        ("eow", "2026-01-11"),
        ("eom", "2026-01-31"),
        ("eoy", "2026-12-31"),
        ("+3d", "2026-01-08"),
        ("-1d", "2026-01-04"),
        ("2w", "2026-01-19"),
        ("1m", "2026-02-05"),
        ("1 year", "2027-01-05"),
        ("2026-02-28", "2026-02-28"),
        ("20260228", "2026-02-28"),
    ],
)
def test_days(text: str, day: str) -> None:
    assert when.stored(when.parse(text)) == day


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-01-05T09:00:00Z"),
        ("+2h", "2026-01-05T11:00:00Z"),
        ("90min", "2026-01-05T10:30:00Z"),
        ("2026-02-28T17:00", "2026-02-28T17:00:00Z"),
        ("2026-02-28 17:00", "2026-02-28T17:00:00Z"),
        ("2026-02-28T17:00+02:00", "2026-02-28T15:00:00Z"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert when.stored(when.parse(text)) == moment


@pytest.mark.parametrize(
    "text",
    ["", " ", "notadate", "2025-02-30", "2026-13-01", "2026-1-1", "0000-01-01", "+9999y", "2026-02-28T25:00", "mo",
     "9999-12-31T23:59-14:00", "0001-01-01T00:00+14:00", "tuesdays", "+3", "d", "1e3d", "²d"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(Invalid):
        when.parse(text)


@given(st.text(max_size=20))
def test_any_text_is_a_date_or_invalid(text: str) -> None:
    try:
        found = when.parse(text)
    except Invalid:
        return
    assert isinstance(found, date)


DAYS = st.dates(date(1, 1, 1), date(9000, 12, 31))


@given(DAYS, st.integers(0, 2000))
def test_months_keep_the_day_or_take_the_last(day: date, months: int) -> None:
    later = when.add(day, months, "m")
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == min(day.day, calendar.monthrange(later.year, later.month)[1])


@given(DAYS, st.integers(-400, 400), st.sampled_from("dw"))
def test_days_and_weeks_are_exact(day: date, amount: int, unit: str) -> None:
    try:
        later = when.add(day, amount, unit)
    except Invalid:
        assert day.year < 9
        return
    assert later - day == timedelta(days=amount * (7 if unit == "w" else 1))


@pytest.mark.parametrize("amount", [10**6, -(10**6)])
@pytest.mark.parametrize("unit", "dwmy")
def test_beyond_the_calendar(amount: int, unit: str) -> None:
    with pytest.raises(Invalid):
        when.add(date(2026, 1, 31), amount * 10, unit)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1m", (1, "m")),
        ("2 weeks", (2, "w")),
        ("daily", (1, "d")),
        ("quarterly", (3, "m")),
        ("+3d", (3, "d")),
    ],
)
def test_spans(text: str, span: tuple[int, str]) -> None:
    assert when.span(text) == span


@pytest.mark.parametrize("text", ["", "0d", "-1d", "2h", "5min", "often", "1", "m"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(Invalid):
        when.span(text)


@pytest.mark.parametrize(
    ("text", "hours"), [("90min", 1.5), ("24h", 24), ("7d", 168), ("2w", 336), ("1m", 720)]
)
def test_durations(text: str, hours: float) -> None:
    assert when.duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "-1h", "soon", "1e9h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Invalid):
        when.duration(text)


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1)),
    st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1)),
)
def test_stored_moments_sort_as_text(a: datetime, b: datetime) -> None:
    a, b = (m.replace(microsecond=0, tzinfo=UTC) for m in (a, b))
    assert (when.stored(a) < when.stored(b)) == (a < b)
    assert clock.parse(when.stored(a)) == a
