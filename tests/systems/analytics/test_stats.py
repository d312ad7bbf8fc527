"""Answers: Plausible's stats API, goals, funnels, who comes back. Both engines, figures counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.systems.analytics.models import BadQuery, Door, GoalKind
from backendhub.systems.analytics.service import digest, ingest, paths, sources, stats

# Who, when, what: three people over four days.
SENT = [
    ("ann", "2026-01-02T10:00", "/", None, {}),
    ("ann", "2026-01-02T10:01", "/blog/one", None, {}),
    ("ann", "2026-01-02T10:02", None, "Signup", {"plan": "pro", "revenue": 10, "currency": "EUR"}),
    ("ann", "2026-01-03T10:00", "/blog/two", None, {}),
    ("bob", "2026-01-02T23:30", "/?utm_source=mail", None, {}),
    ("bob", "2026-01-04T10:00", "/", None, {}),
    ("bob", "2026-01-04T10:05", None, "Signup", {"plan": "free", "revenue": 5.5, "currency": "EUR"}),
    ("cleo", "2026-01-05T08:00", "/Blog/two", None, {}),
]


@pytest.fixture
def source(db: Db, frozen: Callable[[str], None]) -> Any:
    made = sources.add(db, name="Shop", domain="shop.example", write_key="k")
    batch: list[dict[str, Any]] = []
    for user, at, path, event, properties in SENT:
        kind = {"type": "page", "properties": {"url": f"https://shop.example{path}"}}
        if event:
            kind = {"type": "track", "event": event, "properties": properties}
        batch.append({"userId": user, "timestamp": f"{at}:00Z", **kind})
    ingest.accept(
        db, door=Door.SEGMENT, key="k", kind="batch", body=json.dumps({"batch": batch}).encode(), anyone=False
    )
    assert digest.digest(db).stored == len(SENT)
    sources.add_goal(db, made.id, kind=GoalKind.PAGE, match="/blog/*", name="Read")
    sources.add_goal(db, made.id, kind=GoalKind.EVENT, match="Signup")
    return made


def ask(db: Db, source: Any, *metrics: str, **more: Any) -> Any:
    found = stats.query(db, source, {"metrics": list(metrics), "date_range": "all", **more})
    return [(*r["dimensions"], *r["metrics"]) for r in found["results"]]


def test_totals(db: Db, source: Any) -> None:
    assert ask(db, source, "visitors", "visits", "pageviews", "events") == [(3, 5, 6, 8)]
    # Visits of 2 min, 0, 0, 5 min, 0; one event alone is a bounce.
    assert ask(db, source, "bounce_rate", "visit_duration", "views_per_visit") == [(60, 84, 1.2)]
    assert ask(db, source, "total_revenue", "average_revenue") == [
        ({"value": 15.5, "currency": "EUR"}, {"value": 7.75, "currency": "EUR"})
    ]


def test_dimensions(db: Db, source: Any) -> None:
    assert dict(ask(db, source, "visitors", dimensions=["event:page"])) == {
        "/": 2, "(none)": 2, "/Blog/two": 1, "/blog/one": 1, "/blog/two": 1,
    }  # fmt: skip
    assert ask(db, source, "visits", dimensions=["visit:source"]) == [("Direct / None", 4), ("mail", 1)]
    assert ask(db, source, "visitors", dimensions=["event:props:plan"], filters=[["is", "event:name", ["Signup"]]]) == [
        ("free", 1), ("pro", 1),
    ]  # fmt: skip
    assert ask(db, source, "visitors", "events", dimensions=["time:day"]) == [
        ("2026-01-02", 2, 4), ("2026-01-03", 1, 1), ("2026-01-04", 1, 2), ("2026-01-05", 1, 1),
    ]  # fmt: skip
    assert ask(db, source, "visitors", dimensions=["time:week"]) == [("2025-12-29", 2), ("2026-01-05", 1)]
    assert ask(db, source, "pageviews", dimensions=["time:month"]) == [("2026-01-01", 6)]
    assert ask(db, source, "pageviews", dimensions=["time"], date_range="day") == [("2026-01-05 08:00:00", 1)]


def test_days_begin_where_the_source_is(db: Db, source: Any) -> None:
    sources.edit(db, source.id, timezone="Asia/Kolkata")
    there = sources.get(db, source.id)
    body = json.dumps({"event": "Late", "userId": "dan", "timestamp": "2026-01-04T18:45:00Z"}).encode()
    ingest.accept(db, door=Door.SEGMENT, key="k", kind="track", body=body, anyone=False)
    digest.digest(db)
    assert ask(db, there, "events", dimensions=["time:hour"], filters=[["is", "event:name", ["Late"]]]) == [
        ("2026-01-05 00:00:00", 1)
    ]
    assert ask(db, there, "events", date_range=["2026-01-05", "2026-01-05"]) == [(2,)]


@pytest.mark.parametrize(
    ("filters", "events"),
    [
        ([], 8),
        ([["is", "event:page", ["/"]]], 3),
        ([["is_not", "event:page", ["/"]]], 5),
        ([["contains", "event:page", ["blog"]]], 2),  # case counts, on both engines
        ([["contains", "event:page", ["blog"], {"case_sensitive": False}]], 3),
        ([["contains_not", "event:page", ["blog", "%"]]], 6),
        ([["matches", "event:page", ["^/blog/(one|two)$"]]], 2),
        ([["matches_not", "event:page", ["^/"]]], 2),
        ([["is", "event:goal", ["Read"]]], 2),
        ([["contains", "event:goal", ["ead", "ign"]]], 4),
        ([["or", [["is", "event:name", ["Signup"]], ["is", "event:page", ["/"]]]]], 5),
        ([["not", ["is", "event:name", ["pageview"]]]], 2),
        (
            [
                [
                    "and",
                    [["is", "event:name", ["pageview"]], ["has_done", ["is", "event:props:plan", ["pro"]]]],
                ]
            ],
            3,
        ),
        ([["has_not_done", ["is", "event:goal", ["Signup"]]]], 1),
        ([["is", "visit:utm_source", ["mail"]]], 1),
        ([["has_done", ["is", "visit:utm_source", ["mail"]]]], 3),
    ],
)
def test_filters(db: Db, source: Any, filters: list[Any], events: int) -> None:
    assert ask(db, source, "events", filters=filters) == [(events,)]


def test_goals_and_conversion(db: Db, source: Any) -> None:
    assert ask(db, source, "visitors", "conversion_rate", dimensions=["event:goal"]) == [
        ("Signup", 2, 66.7), ("Read", 1, 33.3),
    ]  # fmt: skip
    assert ask(db, source, "visitors", "group_conversion_rate", dimensions=["time:day"], filters=[["is", "event:goal", ["Signup"]]]) == [
        ("2026-01-02", 1, 50.0), ("2026-01-04", 1, 100.0),
    ]  # fmt: skip
    assert ask(db, source, "percentage", dimensions=["visit:source"]) == [
        ("Direct / None", 100.0),
        ("mail", 33.3),
    ]


def test_order_pages_and_what_is_told_back(db: Db, source: Any) -> None:
    body = {
        "metrics": ["visitors"], "date_range": "all", "dimensions": ["event:page"], "order_by": [["event:page", "desc"]],
        "pagination": {"limit": 2, "offset": 1}, "include": {"total_rows": True},
    }  # fmt: skip
    found = stats.query(db, source, body)
    assert [r["dimensions"][0] for r in found["results"]] == ["/blog/one", "/Blog/two"]
    assert found["meta"] == {"total_rows": 5}
    assert found["query"]["date_range"] == ["2026-01-02T00:00:00+00:00", "2026-01-05T23:59:59+00:00"]
    labels = stats.query(
        db,
        source,
        {"metrics": ["visits"], "date_range": "7d", "dimensions": ["time"], "include": {"time_labels": True}},
    )
    assert labels["meta"]["time_labels"] == [
        f"{d}"
        for d in (
            "2025-12-30",
            "2025-12-31",
            "2026-01-01",
            "2026-01-02",
            "2026-01-03",
            "2026-01-04",
            "2026-01-05",
        )
    ]


@pytest.mark.parametrize(
    ("given", "begin", "end", "unit"),
    [
        ("day", "2026-01-05", "2026-01-06", "hour"),
        ("30d", "2025-12-06", "2026-01-06", "day"),
        ("month", "2026-01-01", "2026-02-01", "day"),
        ("6mo", "2025-08-01", "2026-02-01", "month"),
        ("12mo", "2025-02-01", "2026-02-01", "month"),
        ("year", "2026-01-01", "2027-01-01", "month"),
        (["2025-01-01", "2025-01-31"], "2025-01-01", "2025-02-01", "day"),
    ],
)
def test_ranges(db: Db, source: Any, given: Any, begin: str, end: str, unit: str) -> None:
    found = stats.period(db, source, given)
    assert (found.since.date().isoformat(), found.until.date().isoformat(), found.unit) == (begin, end, unit)


@pytest.mark.parametrize(
    "body",
    [
        {"metrics": []}, {"metrics": ["sales"]}, {"dimensions": ["event:color"]}, {"dimensions": ['event:props:a"b']},
        {"date_range": "ever"}, {"date_range": ["2026-01-02", "2026-01-01"]}, {"date_range": ["2026-01-02", "x"]},
        {"filters": [["like", "event:page", ["/"]]]}, {"filters": [["is", "event:page", "/"]]}, {"filters": [["is"]]},
        {"filters": ["is"]}, {"filters": [["and", []]]}, {"filters": [["is", "event:goal", ["Nothing"]]]},
        {"order_by": [["pageviews", "desc"]]}, {"order_by": [["visitors", "down"]]}, {"order_by": "visitors"},
        {"metrics": ["conversion_rate"]}, {"pagination": {"limit": -1}}, {"pagination": {"limit": "many"}},
        {"filters": [["matches", "event:page", ["("]]]},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(db: Db, source: Any, body: dict[str, Any]) -> None:
    from backendhub.kit.errors import HubError

    with pytest.raises(HubError) as refusal, db.savepoint():
        stats.query(db, source, {"metrics": ["visitors"], "date_range": "all", **body})
    assert refusal.value.status == 400 or not isinstance(refusal.value, BadQuery)


def test_a_funnel(db: Db, source: Any) -> None:
    found = paths.funnel(db, source, steps=["Read", "Signup"], date_range="all", window_s=3600)
    assert [(s.visitors, s.conversion_rate, s.drop_off) for s in found.steps] == [
        (1, 100.0, 0),
        (1, 100.0, 0),
    ]
    assert paths.funnel(db, source, steps=["Signup", "Read"], date_range="all", window_s=3600).completed == 0
    assert (
        paths.funnel(db, source, steps=["Signup", "Read"], date_range="all", window_s=86_400).completed == 1
    )
    for steps in (["Read"], ["Read", "Read"], ["Read", "Buy"]):
        with pytest.raises(BadQuery):
            paths.funnel(db, source, steps=steps, date_range="all", window_s=60)


def test_whoever_begins_again_has_the_whole_time() -> None:
    rows = [
        ("a", 0, "2026-01-01T00:00:00+00:00"),
        ("a", 0, "2026-01-01T05:00:00+00:00"),
        ("a", 1, "2026-01-01T05:30:00+00:00"),
    ]
    hour = clock.parse("2026-01-01T01:00:00Z") - clock.parse("2026-01-01T00:00:00Z")
    assert paths._furthest(rows, 2, hour) == [2]


def test_who_comes_back(db: Db, source: Any) -> None:
    found = paths.retention(db, source, date_range="all")
    assert [(c.start, c.size, c.returned) for c in found] == [
        ("2026-01-02", 2, [2, 1, 1, 0]),
        ("2026-01-05", 1, [1]),
    ]
    weeks = paths.retention(db, source, date_range="all", unit="week")
    assert [(c.start, c.size, c.returned) for c in weeks] == [
        ("2025-12-29", 2, [2, 0]),
        ("2026-01-05", 1, [1]),
    ]
