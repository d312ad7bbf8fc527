"""Every SQL statement of analytics; questions of dashboards are put together in `query`."""

from __future__ import annotations

from datetime import datetime

from backendhub.kit.checks import Check
from backendhub.kit.db import columns
from backendhub.kit.db.records import encode
from backendhub.systems.analytics.models import (
    Event,
    Goal,
    Parcel,
    Person,
    Reject,
    Session,
    Source,
    Tally,
    Visit,
)

from . import query

SOURCE, GOAL = columns(Source), columns(Goal)


def stamp(moment: datetime) -> str:
    """A time as it is stored, for comparing."""
    text: str = encode(moment)
    return text


# -- sources -------------------------------------------------------------------------------------------------

ONE_SOURCE = f"SELECT {SOURCE} FROM analytics_source WHERE id = :id"
BY_WRITE_KEY = f"SELECT {SOURCE} FROM analytics_source WHERE write_key = :key"
BY_DOMAIN = f"SELECT {SOURCE} FROM analytics_source WHERE domain = :key"
SOURCES = f"SELECT {SOURCE} FROM analytics_source WHERE id > :after ORDER BY id LIMIT :limit"
COUNT_SOURCES = "SELECT count(*) FROM analytics_source"
OPEN_SOURCE = (
    "INSERT INTO analytics_source (id, name, write_key, domain, timezone, created_at) "
    "VALUES (:id, :name, :write_key, :domain, 'UTC', :now) ON CONFLICT DO NOTHING"
)
DELETE_SOURCE = "DELETE FROM analytics_source WHERE id = :id"

GOALS = f"SELECT {GOAL} FROM analytics_goal WHERE source_id = :source_id ORDER BY id"
DELETE_GOAL = "DELETE FROM analytics_goal WHERE id = :id AND source_id = :source_id"

# -- coming in -----------------------------------------------------------------------------------------------

ACCEPT = (
    "INSERT INTO analytics_inbox (door, key, kind, received_at, body) "
    "VALUES (:door, :key, :kind, :received_at, :body)"
)
WAITING = "SELECT no, length(body) FROM analytics_inbox ORDER BY no LIMIT :limit"
COUNT_WAITING = "SELECT count(*) FROM analytics_inbox"
PARCELS = f"SELECT {columns(Parcel)} FROM analytics_inbox WHERE no {{nos}} ORDER BY no"
TAKEN = "DELETE FROM analytics_inbox WHERE no {nos}"
# One digests at a time. On PostgreSQL that is said by the table's number: another installation in the same database has
# its own; on SQLite whoever writes is alone.
LOCK = {
    "sqlite": "SELECT TRUE",
    "postgres": "SELECT pg_try_advisory_xact_lock(CAST(CAST(CAST('analytics_inbox' AS regclass) AS oid) AS bigint))",
}
SALT = "SELECT salt FROM analytics_salt WHERE day = :day"
PUT_SALT = "INSERT INTO analytics_salt (day, salt) VALUES (:day, :salt) ON CONFLICT DO NOTHING"
FORGET_SALTS = "DELETE FROM analytics_salt WHERE day < :day"

_LIST = {
    "sqlite": "(SELECT value FROM json_each(:{name}))",
    "postgres": "(SELECT json_array_elements_text(CAST(:{name} AS json)))",
}


def _listed(sql: str, name: str) -> dict[str, str]:
    """A statement for both engines, in which `{name}` stands for the values of a JSON list."""
    return {dialect: sql + text.replace("{name}", name) for dialect, text in _LIST.items()}


KNOWN = _listed(
    "SELECT message_id FROM analytics_event WHERE source_id = :source_id AND message_id IN ", "ids"
)
ALIASES = _listed(
    "SELECT anonymous_id, user_id FROM analytics_alias WHERE source_id = :source_id AND anonymous_id IN ",
    "ids",
)
TRAITS = _listed(
    "SELECT user_id, traits FROM analytics_person WHERE source_id = :source_id AND user_id IN ", "ids"
)
_OPEN = "s.id, s.visitor, s.started_at, s.ended_at, s.pageviews, s.events, s.entry_page, s.exit_page"
# The visitors lead: SQLite would rather walk through all the visits of the time.
_SESSIONS_NEAR = (
    f"SELECT {_OPEN} FROM {{values}} CROSS JOIN analytics_session s WHERE s.source_id = :source_id "
    "AND s.visitor = v.value AND s.ended_at >= :since AND s.started_at <= :until"
)
SESSIONS_NEAR = {
    "sqlite": _SESSIONS_NEAR.replace("{values}", "json_each(:visitors) v"),
    "postgres": _SESSIONS_NEAR.replace(
        "{values}", "json_array_elements_text(CAST(:visitors AS json)) AS v (value)"
    ),
}
LAST_EVENT = "SELECT max(id) FROM analytics_event"
LAST_SESSION = "SELECT max(id) FROM analytics_session"
INSERT_EVENT = (
    f"INSERT INTO analytics_event ({columns(Event)}) VALUES (:id, :source_id, :message_id, :type, :name, :visitor, :user_id, "
    ":session_id, :at, :hour, :received_at, :hostname, :path, :revenue, :currency, :properties)"
)
INSERT_SESSION = (
    f"INSERT INTO analytics_session ({columns(Session)}) VALUES (:id, :source_id, :visitor, :started_at, :ended_at, :duration_s, "
    ":pageviews, :events, :entry_page, :exit_page, :source, :referrer, :utm_source, :utm_medium, :utm_campaign, :utm_term, "
    ":utm_content, :browser, :os, :device)"
)
SET_SESSION = (
    "UPDATE analytics_session SET started_at = :started_at, ended_at = :ended_at, duration_s = :duration_s, "
    "pageviews = :pageviews, events = :events, entry_page = :entry_page, exit_page = :exit_page WHERE id = :id"
)
SET_ORIGIN = (
    f"UPDATE analytics_session SET {', '.join(f'{name} = :{name}' for name in Visit._fields)} WHERE id = :id"
)
INSERT_ALIAS = "INSERT INTO analytics_alias (source_id, anonymous_id, user_id) VALUES (:source_id, :anonymous_id, :user_id)"
ADOPT_EVENTS = (
    "UPDATE analytics_event SET visitor = :user_id WHERE source_id = :source_id AND visitor = :anonymous_id"
)
ADOPT_SESSIONS = (
    "UPDATE analytics_session SET visitor = :user_id WHERE source_id = :source_id AND visitor = :anonymous_id"
)
PUT_PERSON = (
    "INSERT INTO analytics_person (source_id, user_id, traits, first_seen_at, last_seen_at) "
    "VALUES (:source_id, :user_id, :traits, :at, :at) "
    "ON CONFLICT (source_id, user_id) DO UPDATE SET traits = excluded.traits, last_seen_at = excluded.last_seen_at"
)
PERSON = f"SELECT {columns(Person)} FROM analytics_person WHERE source_id = :source_id AND user_id = :user_id"
INSERT_REJECT = (
    "INSERT INTO analytics_reject (door, key, received_at, code, detail, payload) "
    "VALUES (:door, :key, :received_at, :code, :detail, :payload)"
)
COUNT = (
    "INSERT INTO analytics_tally (door, key, day, received, stored, duplicates, rejected) "
    "VALUES (:door, :key, :day, :received, :stored, :duplicates, :rejected) ON CONFLICT (door, key, day) DO UPDATE SET "
    "received = analytics_tally.received + excluded.received, stored = analytics_tally.stored + excluded.stored, "
    "duplicates = analytics_tally.duplicates + excluded.duplicates, rejected = analytics_tally.rejected + excluded.rejected"
)

# -- looking at it -------------------------------------------------------------------------------------------

REJECTS = (
    f"SELECT {columns(Reject)} FROM analytics_reject WHERE door = :door AND key = :key AND id < :before "
    "ORDER BY id DESC LIMIT :limit"
)
TALLIES = f"SELECT {columns(Tally)} FROM analytics_tally WHERE key = :key AND door = :door AND day >= :since ORDER BY day"
EVENTS = (
    f"SELECT {columns(Event)} FROM analytics_event WHERE source_id = :source_id AND (at, id) > (:at, :id) AND at < :until "
    "ORDER BY at, id LIMIT :limit"
)
LATEST = f"SELECT {columns(Event)} FROM analytics_event WHERE source_id = :source_id ORDER BY at DESC, id DESC LIMIT :limit"
ONLINE = "SELECT count(DISTINCT visitor) FROM analytics_event WHERE source_id = :source_id AND at >= :since"
FIRST_AND_LAST = "SELECT min(hour), max(hour) FROM analytics_event WHERE source_id = :source_id"
OLD_EVENTS = (
    "DELETE FROM analytics_event WHERE session_id IN "
    "(SELECT id FROM analytics_session WHERE source_id = :source_id AND ended_at < :before)"
)
OLD_SESSIONS = "DELETE FROM analytics_session WHERE source_id = :source_id AND ended_at < :before"
OLD_REJECTS = "DELETE FROM analytics_reject WHERE received_at < :before"

# Every event that reaches a goal, by visitor and time.
_GOALS_REACHED = (
    "SELECT e.visitor, g.id, e.at FROM analytics_event e JOIN analytics_goal g ON {reached} "
    "WHERE e.source_id = :source_id AND e.at >= :since AND e.at < :until ORDER BY e.visitor, e.at, e.id"
)
GOALS_REACHED = {dialect: _GOALS_REACHED.replace("{reached}", sql) for dialect, sql in query.REACHED.items()}
# How many of those who came first in one period came in another: the first of all time counts, not of the range.
_RETURNS = """
SELECT first, came, count(*) FROM (
  SELECT DISTINCT e.visitor, f.first, {came} AS came FROM analytics_event e
  JOIN (SELECT visitor, min({came}) AS first FROM analytics_event e WHERE source_id = :source_id GROUP BY visitor) f
    ON f.visitor = e.visitor
  WHERE e.source_id = :source_id AND e.at >= :since AND e.at < :until AND f.first >= :first
) x GROUP BY first, came ORDER BY first, came"""
RETURNS = {
    "day": {d: _RETURNS.replace("{came}", query.DAY) for d in query.WEEK},
    "week": {d: _RETURNS.replace("{came}", sql) for d, sql in query.WEEK.items()},
}

CHECKS = (
    Check(
        "every event is accounted for",
        "What was received is stored, known already, or refused",
        "SELECT door, key, day FROM analytics_tally WHERE received <> stored + duplicates + rejected",
    ),
    Check(
        "visits hold their events",
        "Events have a visit, and lie between its beginning and its end",
        "SELECT e.id FROM analytics_event e LEFT JOIN analytics_session s ON s.id = e.session_id "
        "WHERE s.id IS NULL OR e.visitor <> s.visitor OR e.at < s.started_at OR e.at > s.ended_at",
    ),
    Check(
        "a visit's page views are its events",
        "The views that a visit counts are those among its events",
        "SELECT s.id FROM analytics_session s WHERE s.pageviews <> "
        "(SELECT count(*) FROM analytics_event e WHERE e.session_id = s.id AND e.name = 'pageview')",
    ),
    Check(
        "nobody goes by two names",
        "No event is an anonymous visitor's who is known to be a user",
        "SELECT a.anonymous_id FROM analytics_alias a JOIN analytics_event e "
        "ON e.source_id = a.source_id AND e.visitor = a.anonymous_id WHERE a.anonymous_id <> a.user_id",
    ),
)
