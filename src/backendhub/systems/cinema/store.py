"""Every SQL statement of the cinema."""

from __future__ import annotations

from backendhub.kit.checks import Check
from backendhub.kit.db import columns

from .films import Booking, Genre, Hall, Movie, Show, Ticket
from .models import Change, Chart, Entry, Event, Places, State, Token, Workspace

WORKSPACE = columns(Workspace)
CHART = columns(Chart)
LISTED = {
    "sqlite": "(SELECT value FROM json_each(:{0}))",
    "postgres": "(SELECT value FROM json_array_elements_text(CAST(:{0} AS json)))",
}
NUMBERS = {
    "sqlite": "(SELECT value FROM json_each(:{0}))",
    "postgres": "(SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:{0} AS json)))",
}


def _listed(sql: str, **lists: dict[str, str]) -> dict[str, str]:
    """A statement for each engine; `{name}` is the list `:name` as rows."""
    return {
        dialect: sql.format(**{name: forms[dialect].format(name) for name, forms in lists.items()})
        for dialect in ("sqlite", "postgres")
    }


def _locking(sql: str) -> dict[str, str]:
    """What PostgreSQL does so that nobody else changes something meanwhile; on SQLite the transaction itself is the lock."""
    return {"sqlite": "SELECT 1", "postgres": sql}


def _pages(sql: str) -> dict[str, str]:
    """A listing, the latest first: what is behind a row (`down`), and what is in front of it (`up`)."""
    return {
        "down": f"{sql} AND id < :edge ORDER BY id DESC LIMIT :limit",
        "up": f"{sql} AND id > :edge ORDER BY id LIMIT :limit",
    }


# -- workspaces --------------------------------------------------------------------------------------------

BY_SECRET = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE secret_key = :secret"
BY_KEY = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE key = :key"
OF_COMPANY = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE company = :company ORDER BY id LIMIT 1"
WORKSPACES = _pages(
    f"SELECT {WORKSPACE} FROM cinema_workspace WHERE company = :company AND is_active IN (:one, :other) "
    "AND name_key LIKE :text ESCAPE '\\'"
)
NO_DEFAULT = "UPDATE cinema_workspace SET is_default = FALSE WHERE company = :company AND is_default"
ADD_ENTRY = "INSERT INTO cinema_log (workspace_id, type, data, at) VALUES (:workspace_id, :type, :data, :at)"
ENTRIES = _pages(f"SELECT {columns(Entry)} FROM cinema_log WHERE workspace_id = :workspace_id")
ADD_BUYERS = _listed(
    "INSERT INTO cinema_buyer (workspace_id, buyer) SELECT :workspace_id, asked.value FROM {buyers} AS asked WHERE TRUE "
    "ON CONFLICT (workspace_id, buyer) DO NOTHING RETURNING buyer",
    buyers=LISTED,
)
REMOVE_BUYERS = _listed(
    "DELETE FROM cinema_buyer WHERE workspace_id = :workspace_id AND buyer IN {buyers} RETURNING buyer",
    buyers=LISTED,
)
BUYERS = _pages("SELECT id, buyer FROM cinema_buyer WHERE workspace_id = :workspace_id")

# -- charts ------------------------------------------------------------------------------------------------

ONE_CHART = f"SELECT {CHART} FROM cinema_chart WHERE key = :key AND workspace_id = :workspace_id"
CHART_BY_ID = f"SELECT {CHART} FROM cinema_chart WHERE id = :id"
LOCK_CHART = _locking(
    "SELECT pg_advisory_xact_lock(7364875, hashtext(current_schema() || ':' || id)) FROM cinema_chart WHERE key = :key"
)
SHARE_CHART = _locking(
    "SELECT pg_advisory_xact_lock_shared(7364875, hashtext(current_schema() || ':' || CAST(:id AS bigint)))"
)
CHARTS = _pages(
    f"SELECT {CHART} FROM cinema_chart WHERE workspace_id = :workspace_id AND archived = :archived "
    "AND name_key LIKE :text ESCAPE '\\'"
)
CHARTS_OF_TAG = _pages(
    f"SELECT {CHART} FROM cinema_chart WHERE workspace_id = :workspace_id AND archived = :archived "
    "AND name_key LIKE :text ESCAPE '\\' AND id IN "
    "(SELECT chart_id FROM cinema_tag WHERE workspace_id = :workspace_id AND name = :tag)"
)
PUBLISHED = "SELECT published FROM cinema_chart WHERE id = :id"
ALL_PUBLISHED = _listed("SELECT id, published FROM cinema_chart WHERE id IN {ids}", ids=NUMBERS)
DRAFT = "SELECT draft FROM cinema_chart WHERE id = :id"
TAGS = "SELECT DISTINCT name FROM cinema_tag WHERE workspace_id = :workspace_id ORDER BY name"
ADD_TAG = (
    "INSERT INTO cinema_tag (workspace_id, name, chart_id) VALUES (:workspace_id, :name, :chart_id) "
    "ON CONFLICT DO NOTHING"
)
REMOVE_TAG = (
    "DELETE FROM cinema_tag WHERE workspace_id = :workspace_id AND name = :name AND chart_id = :chart_id"
)
CLEAR_SPOTS = "DELETE FROM cinema_spot WHERE chart_id = :chart_id"
ADD_SPOT = (
    "INSERT INTO cinema_spot (chart_id, label, number, data) VALUES (:chart_id, :label, :number, :data)"
)
SPOTS = "SELECT data FROM cinema_spot WHERE chart_id = :chart_id ORDER BY number"
SPOTS_OF = _listed(
    "SELECT data FROM cinema_spot WHERE chart_id = :chart_id AND label IN {labels}", labels=LISTED
)
# What somebody has of a chart: seats that a new drawing must not lose.
TAKEN_OF_CHART = (
    "SELECT DISTINCT s.label FROM cinema_event e JOIN cinema_state s ON s.event_id = e.id "
    "JOIN reservation_slot r ON r.resource = 'cinema:' || e.id AND r.slot = s.label AND r.hold_id = s.claim_id "
    "AND r.expires_at > :now WHERE e.chart_id = :chart_id"
)

# -- events ------------------------------------------------------------------------------------------------

EVENT = (
    f"SELECT {columns(Event, 'e')}, c.key, c.categories, p.key, s.starts_at, s.state FROM cinema_event e "
    "JOIN cinema_chart c ON c.id = e.chart_id LEFT JOIN cinema_event p ON p.id = e.season_id "
    "LEFT JOIN cinema_show s ON s.event_id = e.id"
)
ONE_EVENT = f"{EVENT} WHERE e.workspace_id = :workspace_id AND e.key = :key"
EVENT_BY_ID = f"{EVENT} WHERE e.id = :id"
_EVENTS = f"{EVENT} WHERE e.workspace_id = :workspace_id"
EVENTS = {
    "down": f"{_EVENTS} AND e.id < :edge ORDER BY e.id DESC LIMIT :limit",
    "up": f"{_EVENTS} AND e.id > :edge ORDER BY e.id LIMIT :limit",
}
EVENTS_OF_CHARTS = _listed(f"{EVENT} WHERE e.chart_id IN {{ids}} ORDER BY e.id DESC", ids=NUMBERS)
EVENTS_OF_KEYS = _listed(
    f"{EVENT} WHERE e.workspace_id = :workspace_id AND e.key IN {{keys}} ORDER BY e.id", keys=LISTED
)
KEYS_IN_USE = _listed(
    "SELECT key FROM cinema_event WHERE workspace_id = :workspace_id AND key IN {keys} ORDER BY key",
    keys=LISTED,
)
IDS_OF_CHART = "SELECT id FROM cinema_event WHERE chart_id = :chart_id ORDER BY id"
ADD_EVENT = (
    "INSERT INTO cinema_event (key, workspace_id, chart_id, kind, season_id, name, date, tables, object_categories, "
    "categories, channels, for_sale, for_sale_propagated, in_past, created_at) "
    "VALUES (:key, :workspace_id, :chart_id, :kind, :season_id, :name, :date, :tables, :object_categories, "
    ":categories, :channels, :for_sale, :for_sale_propagated, :in_past, :created_at)"
)
EVENTS_OF_SEASON = f"{EVENT} WHERE e.season_id = :season_id ORDER BY e.id"
EVENTS_OF_PARTIAL = (
    f"{EVENT} JOIN cinema_part m ON m.event_id = e.id WHERE m.partial_id = :partial_id ORDER BY e.id"
)
PARTS = _listed(
    "SELECT m.event_id, p.key FROM cinema_part m JOIN cinema_event p ON p.id = m.partial_id "
    "WHERE m.event_id IN {ids} ORDER BY p.id",
    ids=NUMBERS,
)
ADD_PART = (
    "INSERT INTO cinema_part (partial_id, event_id) VALUES (:partial_id, :event_id) ON CONFLICT DO NOTHING"
)
REMOVE_PART = "DELETE FROM cinema_part WHERE partial_id = :partial_id AND event_id = :event_id"


def change_events(*names: str) -> dict[str, str]:
    """Changes these columns of events."""
    sets = "".join(f"{name} = :{name}, " for name in names)
    return _listed(f"UPDATE cinema_event SET {sets}updated_at = :updated_at WHERE id IN {{ids}}", ids=NUMBERS)


# Changes of one event queue behind each other, as all writers do on SQLite: two who ask for the best seats at once get
# different ones, and nobody overwrites what another has just said of channels or places. Those who only take seats that are
# free share the event: the unique key of a seat decides between them. A season and its events have one lock, and each of
# these shares the chart, which nobody draws anew meanwhile. Advisory locks, because their queue is fair: a cancellation
# would wait for ever for a row that buyers share without a gap.
_LOCKED = """
SELECT {lock}(7364874, hashtext(current_schema() || ':' || root)),
  pg_advisory_xact_lock_shared(7364875, hashtext(current_schema() || ':' || chart_id))
FROM (SELECT DISTINCT coalesce(season_id, id) AS root, chart_id FROM cinema_event WHERE {which} ORDER BY 1, 2) AS wanted"""
_ALONE, _SHARED = "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared"
_BY_ID = f"id IN {NUMBERS['postgres'].format('ids')}"
_BY_KEY = f"workspace_id = :workspace_id AND key IN {LISTED['postgres'].format('keys')}"
LOCK = _locking(_LOCKED.format(lock=_ALONE, which=_BY_ID))
SHARE = _locking(_LOCKED.format(lock=_SHARED, which=_BY_ID))
LOCK_KEYS = _locking(_LOCKED.format(lock=_ALONE, which=_BY_KEY))
SHARE_KEYS = _locking(_LOCKED.format(lock=_SHARED, which=_BY_KEY))

# A status counts while its claim is alive; the row of one that has expired reads as free.
_LIVE = "CASE WHEN r.slot IS NULL THEN NULL ELSE s.{0} END"
_STATES = f"""
SELECT s.event_id, s.label, CASE WHEN r.slot IS NULL THEN 'free' ELSE s.status END, {_LIVE.format("claim_id")}, s.order_id,
  {_LIVE.format("ticket_type")}, {_LIVE.format("listing_id")}, s.extra, {_LIVE.format("season_id")}, s.overridden
FROM cinema_state s LEFT JOIN reservation_slot r
  ON r.resource = 'cinema:' || s.event_id AND r.slot = s.label AND r.hold_id = s.claim_id AND r.expires_at > :now
WHERE s.event_id IN {{ids}}"""
STATES = _listed(_STATES, ids=NUMBERS)
STATES_OF = _listed(_STATES + " AND s.label IN {labels}", ids=NUMBERS, labels=LISTED)
SET_STATE = f"""
INSERT INTO cinema_state ({columns(State)})
VALUES ({", ".join(":" + name for name in columns(State).split(", "))})
ON CONFLICT (event_id, label) DO UPDATE SET status = excluded.status, claim_id = excluded.claim_id,
  order_id = excluded.order_id, ticket_type = excluded.ticket_type, listing_id = excluded.listing_id, extra = excluded.extra,
  season_id = excluded.season_id, overridden = excluded.overridden"""
# Places of areas, while their claim is alive.
PLACES = _listed(
    f"""
SELECT {columns(Places, "p")} FROM cinema_places p JOIN reservation_units u ON u.hold_id = p.claim_id
  AND u.resource = 'cinema:' || p.event_id || ':' || p.label AND u.location = '' AND u.expires_at > :now
WHERE p.event_id IN {{ids}} ORDER BY p.id""",
    ids=NUMBERS,
)
ADD_PLACES = (
    "INSERT INTO cinema_places (event_id, label, status, claim_id, order_id, ticket_type, channel, season_id, quantity) "
    "VALUES (:event_id, :label, :status, :claim_id, :order_id, :ticket_type, :channel, :season_id, :quantity)"
)
SET_PLACES = "UPDATE cinema_places SET quantity = :quantity WHERE id = :id"
DELETE_PLACES = "DELETE FROM cinema_places WHERE id = :id"
STATES_OF_CLAIM = (
    "SELECT event_id, label FROM cinema_state WHERE claim_id = :claim_id ORDER BY event_id, label"
)
PLACES_OF_CLAIM = (
    "SELECT event_id, label, quantity FROM cinema_places WHERE claim_id = :claim_id ORDER BY event_id, label"
)
CLAIMS_OF_EVENT = (
    "SELECT claim_id FROM cinema_state WHERE event_id = :id AND claim_id IS NOT NULL "
    "UNION SELECT claim_id FROM cinema_places WHERE event_id = :id"
)
CHILDREN = "SELECT count(*) FROM cinema_event WHERE season_id = :id"
FORGET_CHANGES = "DELETE FROM cinema_change WHERE event_id = :id"
FORGET_PLACES = "DELETE FROM cinema_places WHERE event_id = :id"
FORGET_STATES = "DELETE FROM cinema_state WHERE event_id = :id"
FORGET_PARTS = "DELETE FROM cinema_part WHERE event_id = :id OR partial_id = :id"
DELETE_EVENT = "DELETE FROM cinema_event WHERE id = :id"

ADD_CHANGE = (
    "INSERT INTO cinema_change (event_id, label, status, quantity, order_id, token, extra, origin, ip, at) "
    "VALUES (:event_id, :label, :status, :quantity, :order_id, :token, :extra, :origin, :ip, :at)"
)
_CHANGES = f"SELECT {columns(Change)} FROM cinema_change WHERE event_id = :event_id"
CHANGES_OF = _pages(f"{_CHANGES} AND label = :label")
SORTS = {"date": "id", "objectLabel": "label", "status": "status"}


def changes_by(column: str, *, descending: bool, backwards: bool, edge: bool) -> str:
    """The log of an event by one of SORTS, from its beginning or behind the row `:edge`; `backwards`: what is before it."""
    down = descending != backwards
    way, sign = ("DESC", "<") if down else ("ASC", ">")
    key = f"({column}, id)" if column != "id" else "(id)"
    row = f"(SELECT {key.strip('()')} FROM cinema_change WHERE id = :edge AND event_id = :event_id)"
    behind = f"AND {key} {sign} {row} " if edge else ""
    order = ", ".join(f"{name} {way}" for name in key.strip("()").split(", "))
    return f"{_CHANGES} AND label LIKE :text ESCAPE '\\' {behind}ORDER BY {order} LIMIT :limit"


ONE_TOKEN = f"SELECT {columns(Token)} FROM cinema_token WHERE token = :token"
SET_TOKEN = "UPDATE cinema_token SET expires_at = :expires_at WHERE token = :token"
FORGET_OVER_TOKENS = "DELETE FROM cinema_token WHERE expires_at <= :before"
FORGET_OVER_PLACES = (
    "DELETE FROM cinema_places WHERE status = 'reservedByToken' AND NOT EXISTS (SELECT 1 FROM reservation_units u "
    "WHERE u.hold_id = cinema_places.claim_id AND u.resource = 'cinema:' || cinema_places.event_id || ':' || cinema_places.label "
    "AND u.expires_at > :now)"
)
TICKETED = _listed(
    "SELECT t.label FROM cinema_show s JOIN cinema_ticket t ON t.show_id = s.id AND t.state <> 'void' "
    "WHERE s.event_id IN {ids} AND t.label IN {labels} ORDER BY t.label",
    ids=NUMBERS,
    labels=LISTED,
)

# -- the cinema --------------------------------------------------------------------------------------------

MOVIE = f"SELECT {columns(Movie)} FROM cinema_movie WHERE id = :id"
MOVIES_BY_ID = _listed(f"SELECT {columns(Movie)} FROM cinema_movie WHERE id IN {{ids}}", ids=LISTED)
MOVIES = f"SELECT {columns(Movie)} FROM cinema_movie WHERE id > :after AND title_key LIKE :text ESCAPE '\\' ORDER BY id LIMIT :limit"
MOVIES_OF_GENRE = (
    f"SELECT {columns(Movie, 'm')} FROM cinema_genre g JOIN cinema_movie m ON m.id = g.movie_id "
    "WHERE g.name = :genre AND g.movie_id > :after AND m.title_key LIKE :text ESCAPE '\\' ORDER BY g.movie_id LIMIT :limit"
)
GENRES = (
    f"SELECT {columns(Genre).replace('movies', 'count(*)')} FROM cinema_genre GROUP BY name ORDER BY name"
)
ADD_GENRE = "INSERT INTO cinema_genre (movie_id, name) VALUES (:movie_id, :name) ON CONFLICT DO NOTHING"
CLEAR_GENRES = "DELETE FROM cinema_genre WHERE movie_id = :movie_id"
DELETE_MOVIE = "DELETE FROM cinema_movie WHERE id = :id"
SHOWS_OF_MOVIE = "SELECT count(*) FROM cinema_show WHERE movie_id = :id"
HALL = f"SELECT {columns(Hall)} FROM cinema_hall WHERE id = :id"
LOCK_HALL = _locking("SELECT id FROM cinema_hall WHERE id = :id FOR NO KEY UPDATE")
HALLS = f"SELECT {columns(Hall)} FROM cinema_hall WHERE name > :after ORDER BY name LIMIT :limit"
_SHOWS = (
    f"SELECT {columns(Show, 's')}, m.title, h.name FROM cinema_show s JOIN cinema_movie m ON m.id = s.movie_id "
    "JOIN cinema_hall h ON h.id = s.hall_id"
)
ONE_SHOW = f"{_SHOWS} WHERE s.id = :id"
SHOWS_BY_ID = _listed(f"{_SHOWS} WHERE s.id IN {{ids}}", ids=LISTED)
_WHEN = (
    "s.starts_at >= :since AND s.starts_at < :until AND (s.starts_at, s.id) > (:start, :after) "
    "ORDER BY s.starts_at, s.id LIMIT :limit"
)
SHOWS = f"{_SHOWS} WHERE {_WHEN}"
SHOWS_OF = f"{_SHOWS} WHERE s.movie_id = :movie_id AND {_WHEN}"
OVERLAPPING = (
    "SELECT id FROM cinema_show WHERE hall_id = :hall_id AND state = 'scheduled' AND starts_at > :earliest "
    "AND starts_at < :ends_at AND ends_at > :starts_at ORDER BY starts_at LIMIT 1"
)
ONE_BOOKING = f"SELECT {columns(Booking)} FROM cinema_booking WHERE id = :id"
BOOKINGS_OF = f"SELECT {columns(Booking)} FROM cinema_booking WHERE user_id = :user_id AND id < :before ORDER BY id DESC LIMIT :limit"
BOOKINGS_OF_SHOW = f"SELECT {columns(Booking)} FROM cinema_booking WHERE show_id = :show_id AND id > :after ORDER BY id LIMIT :limit"
ADD_TICKET = (
    "INSERT INTO cinema_ticket (id, booking_id, show_id, label, category, price, state) "
    "VALUES (:id, :booking_id, :show_id, :label, :category, :price, 'valid')"
)
TICKETS_OF = _listed(
    f"SELECT {columns(Ticket)} FROM cinema_ticket WHERE booking_id IN {{ids}} ORDER BY booking_id, id",
    ids=LISTED,
)
ONE_TICKET = f"SELECT {columns(Ticket)} FROM cinema_ticket WHERE id = :id"
VOID_TICKETS = "UPDATE cinema_ticket SET state = 'void' WHERE booking_id = :booking_id AND state = 'valid'"
VOID_SHOW = (
    "UPDATE cinema_ticket SET state = 'void' WHERE show_id = :show_id AND state <> 'void' AND state = 'valid'"
)
CANCEL_SHOWS_BOOKINGS = "UPDATE cinema_booking SET state = 'cancelled', cancelled_at = :now WHERE show_id = :show_id AND state = 'booked'"
LABELS_OF_SHOW = "SELECT label FROM cinema_ticket WHERE show_id = :show_id AND state <> 'void' ORDER BY label"
SECRET = "SELECT secret FROM cinema_key WHERE name = :name"
SECRETS = "SELECT secret FROM cinema_key WHERE name = :name OR until > :now ORDER BY until DESC"
RETIRE_SECRET = "UPDATE cinema_key SET name = :retired, until = :until WHERE name = :name"
FORGET_SECRETS = "DELETE FROM cinema_key WHERE until <= :now"
ADD_SECRET = "INSERT INTO cinema_key (name, secret) VALUES (:name, :secret) ON CONFLICT (name) DO NOTHING"

TAKINGS = """
SELECT s.id, s.movie_id, m.title, h.name, s.starts_at, s.state, s.currency, s.capacity,
  (SELECT count(*) FROM cinema_ticket t WHERE t.show_id = s.id AND t.state <> 'void'),
  (SELECT coalesce(sum(t.price), 0) FROM cinema_ticket t WHERE t.show_id = s.id AND t.state <> 'void'),
  (SELECT count(*) FROM cinema_ticket t WHERE t.show_id = s.id AND t.state <> 'void' AND t.state = 'used'),
  (SELECT count(*) FROM reservation_slot r JOIN reservation_hold d ON d.id = r.hold_id AND d.state = 'held'
    WHERE r.resource = 'cinema:' || s.event_id AND r.expires_at > :now)
FROM cinema_show s JOIN cinema_movie m ON m.id = s.movie_id JOIN cinema_hall h ON h.id = s.hall_id
WHERE s.starts_at >= :since AND s.starts_at < :until ORDER BY s.starts_at, s.id LIMIT :limit"""

CHECKS = (
    Check(
        "one ticket a seat",
        "No seat of a show has two tickets that are valid or used",
        "SELECT show_id, label FROM cinema_ticket WHERE state <> 'void' GROUP BY show_id, label HAVING count(*) > 1",
    ),
    Check(
        "a ticket has its seat",
        "The seat of every ticket that is not void is booked for its booking",
        "SELECT t.id FROM cinema_ticket t JOIN cinema_show s ON s.id = t.show_id "
        "LEFT JOIN cinema_state x ON x.event_id = s.event_id AND x.label = t.label "
        "WHERE t.state <> 'void' AND (x.status IS NULL OR x.status <> 'booked' OR x.order_id IS NULL OR x.order_id <> t.booking_id)",
    ),
    Check(
        "a status has its claim",
        "Every seat that is booked or has another final status is claimed among the reservations, for ever",
        "SELECT x.event_id, x.label FROM cinema_state x LEFT JOIN reservation_slot r ON r.slot = x.label "
        "AND r.resource = 'cinema:' || x.event_id AND r.hold_id = x.claim_id "
        "WHERE x.status NOT IN ('free', 'reservedByToken') AND (r.slot IS NULL OR r.expires_at <= :now)",
    ),
    Check(
        "a claim has its status",
        "Every seat that is claimed for ever has a status that says so",
        "SELECT r.resource, r.slot FROM cinema_event e JOIN reservation_slot r ON r.resource = 'cinema:' || e.id "
        "JOIN reservation_hold h ON h.id = r.hold_id AND h.state = 'confirmed' "
        "LEFT JOIN cinema_state x ON x.event_id = e.id AND x.label = r.slot AND x.claim_id = r.hold_id "
        "WHERE x.status IS NULL OR x.status IN ('free', 'reservedByToken')",
    ),
    Check(
        "areas are not overbooked",
        "What is noted of an area's places is what the reservations have of it",
        "SELECT p.event_id, p.label, p.claim_id FROM cinema_places p LEFT JOIN reservation_units u "
        "ON u.hold_id = p.claim_id AND u.resource = 'cinema:' || p.event_id || ':' || p.label "
        "WHERE u.expires_at > :now OR p.status <> 'reservedByToken' "
        "GROUP BY p.event_id, p.label, p.claim_id, u.quantity HAVING u.quantity IS NULL OR sum(p.quantity) <> u.quantity",
    ),
    Check(
        "a booking is its tickets",
        "The amount of a booking is that of its tickets; all of a cancelled one are void, none of another",
        "SELECT b.id FROM cinema_booking b WHERE b.amount <> "
        "(SELECT coalesce(sum(t.price), 0) FROM cinema_ticket t WHERE t.booking_id = b.id) OR EXISTS "
        "(SELECT 1 FROM cinema_ticket t WHERE t.booking_id = b.id AND (t.state = 'void') <> (b.state = 'cancelled'))",
    ),
    Check(
        "a show that is called off has no tickets",
        "No ticket of a cancelled show is valid",
        "SELECT t.id FROM cinema_show s JOIN cinema_ticket t ON t.show_id = s.id AND t.state = 'valid' WHERE s.state = 'cancelled'",
    ),
    Check(
        "one show at a time in a hall",
        "No two scheduled shows of a hall overlap",
        "SELECT a.id, b.id FROM cinema_show a JOIN cinema_show b ON b.hall_id = a.hall_id AND b.state = 'scheduled' "
        "AND b.id > a.id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at WHERE a.state = 'scheduled'",
    ),
)
