"""From requests to events: nothing is lost, nothing counts twice, visits and people are who they are. Both engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit import checks, clock
from backendhub.kit.db import Db, columns
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Door, Event, Full, Session, UnknownSource
from backendhub.systems.analytics.service import digest, ingest, live, sources

Move = Callable[[str], None]


def send(db: Db, events: Sequence[dict[str, Any]], *, key: str = "k", anyone: bool = True) -> bool:
    body = json.dumps({"batch": list(events)}).encode()
    return ingest.accept(db, door=Door.SEGMENT, key=key, kind="batch", body=body, anyone=anyone)


def settle(db: Db) -> int:
    stored = 0
    while (done := digest.digest(db)).parcels:
        stored += done.stored
    return stored


def events(db: Db, key: str = "k") -> list[Event]:
    return db.all(Event, store.LATEST, source_id=sources.get(db, key).id, limit=1000)[::-1]


def tally(db: Db, key: str = "k") -> tuple[int, int, int, int]:
    rows = sources.tallies(db, key)
    return tuple(sum(getattr(r, n) for r in rows) for n in ("received", "stored", "duplicates", "rejected"))  # type: ignore[return-value]


def track(name: str = "Clicked", user: str = "u1", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": user, **more}


def test_every_event_is_stored_known_or_refused(db: Db, frozen: Move) -> None:
    send(
        db, [track(messageId="a"), track(messageId="a"), track(messageId="b"), {"type": "track"}, "no event"]
    )  # type: ignore[list-item]
    assert settle(db) == 2
    send(db, [track(messageId="b"), track(messageId="c"), track("")])
    assert settle(db) == 1
    assert tally(db) == (8, 3, 2, 3)
    page = sources.rejects(db, "k", Door.SEGMENT, limit=2)
    assert [r.code for r in page.items] == ["no_event", "unknown_type"]
    assert [r.code for r in sources.rejects(db, "k", Door.SEGMENT, cursor=page.next).items] == ["no_user"]
    assert db.value(store.COUNT_WAITING) == 0
    assert checks.run(db, store.CHECKS).ok


def test_events_without_an_id_are_new_each_time(db: Db, frozen: Move) -> None:
    send(db, [track(), track()])
    send(db, [track()])
    settle(db)
    assert tally(db) == (3, 3, 0, 0)


def test_what_is_too_large_is_refused_and_its_neighbours_are_not(db: Db, frozen: Move) -> None:
    send(db, [track(properties={"x": "y" * 33_000}), track(), track(properties={"x": "y" * 32_000})])
    settle(db)
    assert tally(db) == (3, 2, 0, 1)
    assert sources.rejects(db, "k", Door.SEGMENT).items[0].code == "too_large"


def test_characters_that_a_database_cannot_hold(db: Db, frozen: Move) -> None:
    send(db, [track("a\0b", properties={"k\0": ["\0"]}, context={"page": {"url": "https://x.example/\0"}})])
    settle(db)
    (event,) = events(db)
    assert (event.name, event.path, event.properties) == ("ab", "/", {"k": [""]})


def test_keys_that_nobody_gave_out(db: Db, frozen: Move) -> None:
    assert not send(db, [track()], key="unknown", anyone=False)
    assert not send(db, [track()], key="no key/at all")
    with pytest.raises(UnknownSource):
        sources.get(db, "unknown")
    made = sources.add(db, name="Site", write_key="known")
    assert send(db, [track()], key="known", anyone=False)
    sources.remove(db, made.id)  # before it is digested
    settle(db)
    row = db.fetch("SELECT received, stored, rejected FROM analytics_tally WHERE key = 'known'", {})[0]
    assert tuple(row) == (1, 0, 1)


def test_sources_are_not_made_without_end(db: Db, frozen: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "OPEN", 2)
    assert send(db, [track()], key="a") and send(db, [track()], key="b")
    with pytest.raises(Full):
        send(db, [track()], key="c")
    assert send(db, [track()], key="a")


# -- visits --------------------------------------------------------------------------------------------------


def visits(db: Db, key: str = "k") -> list[tuple[str, int, int]]:
    """Whose, how long in minutes, how many events."""
    rows = db.all(
        Session, f"SELECT {store.columns(Session)} FROM analytics_session ORDER BY started_at, visitor"
    )
    source = sources.get(db, key).id
    return [(s.visitor, s.duration_s // 60, s.events) for s in rows if s.source_id == source]


def at(minute: float, user: str = "u1", **more: Any) -> dict[str, Any]:
    moment = clock.parse("2026-01-05T06:00:00Z") + timedelta(minutes=minute)
    return track(user=user, timestamp=moment.isoformat(), **more)


def test_half_an_hour_ends_a_visit(db: Db, frozen: Move) -> None:
    send(db, [at(0), at(30), at(60.5), at(5, user="u2")])
    settle(db)
    assert visits(db) == [("u1", 30, 2), ("u2", 0, 1), ("u1", 0, 1)]


def test_what_comes_late_finds_its_visit(db: Db, frozen: Move) -> None:
    page = {"type": "page", "event": None, "properties": {"url": "https://x.example/first"}}
    send(db, [at(20)])
    settle(db)
    send(db, [at(0, **page), at(40)])
    settle(db)
    assert visits(db) == [("u1", 40, 3)]
    (session,) = db.all(Session, f"SELECT {store.columns(Session)} FROM analytics_session")
    assert (session.entry_page, session.pageviews) == ("/first", 1)
    assert checks.run(db, store.CHECKS).ok


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 170), st.sampled_from(["u1", "u2", "u3"]), st.sampled_from("abcdef")),
        max_size=25,
    ),
    st.integers(1, 6),
)
def test_whatever_comes_in_whatever_parts_is_accounted_for(
    db: Db, frozen: Move, sent: list[tuple[int, str, str]], size: int
) -> None:
    with db.savepoint():
        for start in range(0, len(sent), size):
            send(db, [at(m, user=u, messageId=f"{u}{i}") for m, u, i in sent[start : start + size]])
            if start % 2:
                settle(db)
        settle(db)
        assert checks.run(db, store.CHECKS).ok
        if sent:
            received, stored, duplicates, rejected = tally(db)
            assert (received, rejected) == (len(sent), 0)
            assert stored == len({(u, i) for _, u, i in sent}) == len(events(db))
            assert duplicates == received - stored
        for table in ("event", "session", "tally", "source"):
            db.run(f"DELETE FROM analytics_{table}")


# -- people --------------------------------------------------------------------------------------------------


def test_a_visitor_who_says_who_they_are_was_that_all_along(db: Db, frozen: Move) -> None:
    send(db, [{"type": "page", "anonymousId": "dev1"}, track(user="", anonymousId="dev2")])
    settle(db)
    assert [e.visitor for e in events(db)] == ["dev1", "dev2"]
    send(
        db,
        [{"type": "identify", "userId": "ann", "anonymousId": "dev1", "traits": {"plan": "pro", "age": 3}}],
    )
    send(
        db,
        [{"type": "page", "anonymousId": "dev1"}, {"type": "alias", "userId": "bob", "previousId": "dev2"}],
    )
    settle(db)
    assert sorted(e.visitor for e in events(db)) == ["ann", "ann", "ann", "bob", "bob"]
    send(db, [{"type": "identify", "userId": "ann", "traits": {"plan": "free"}}])
    settle(db)
    assert live.person(db, sources.get(db, "k"), "ann").traits == {"plan": "free", "age": 3}
    assert checks.run(db, store.CHECKS).ok


def test_visitors_without_an_account_cannot_be_followed_to_another_day_or_site(db: Db, frozen: Move) -> None:
    def come(*domains: str, address: str = "192.0.2.1") -> None:
        event = {"n": "pageview", "u": "https://a.example/"}
        assert ingest.accept_visit(
            db, domains, event, address=address, agent="Firefox/140", anyone=True
        ) == len(domains)
        settle(db)

    come("a.example", "b.example")
    come("a.example")
    come("a.example", address="192.0.2.2")
    first = [e.visitor for e in events(db, "a.example")]
    assert first[0] == first[1] != first[2]
    assert events(db, "b.example")[0].visitor not in first
    frozen("2026-01-06T09:00:00Z")
    come("a.example")
    assert events(db, "a.example")[-1].visitor not in first
    stored = json.dumps([str(row) for row in db.fetch("SELECT * FROM analytics_event", {})])
    assert "192.0.2" not in stored
    frozen("2026-01-09T09:00:00Z")
    come("a.example")
    assert [row[0] for row in db.fetch("SELECT day FROM analytics_salt ORDER BY day", {})] == ["2026-01-09"]


def test_where_a_visit_came_from_is_what_its_first_event_says_however_late_that_comes(
    db: Db, frozen: Move
) -> None:
    def page(at: str, source: str) -> dict[str, Any]:
        url = f"https://shop.example/{source}?utm_source={source}"
        return {"type": "page", "userId": "u1", "timestamp": at, "properties": {"url": url}}

    send(db, [page("2026-01-05T08:10:00Z", "second")])
    settle(db)
    send(db, [page("2026-01-05T08:00:00Z", "first")])
    settle(db)
    (visit,) = db.all(Session, f"SELECT {columns(Session)} FROM analytics_session")
    assert (visit.entry_page, visit.utm_source) == ("/first", "first")


def test_old_visits_are_forgotten_whole(db: Db, frozen: Move) -> None:
    send(db, [at(-600), at(-590), at(100)])
    settle(db)
    assert sources.forget(db, "k", clock.parse("2026-01-05T00:00:00Z").date()) == 2
    assert len(events(db)) == 1
    assert checks.run(db, store.CHECKS).ok
