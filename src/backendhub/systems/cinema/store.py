"""Every SQL statement of the cinema."""

from __future__ import annotations

from backendhub.kit.checks import Check
from backendhub.kit.db import columns

from .models import Booking, Change, Chart, Event, Hall, Movie, Places, Show, State, Ticket, Token, Workspace

WORKSPACE = columns(Workspace)
CHART = columns(Chart)
EVENT = columns(Event)
SHOW = columns(Show)

# -- workspaces --------------------------------------------------------------------------------------------

BY_SECRET = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE secret_key = :secret"
BY_KEY = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE key = :key"
WORKSPACES = f"SELECT {WORKSPACE} FROM cinema_workspace WHERE company = :company ORDER BY id DESC"
NO_DEFAULT = "UPDATE cinema_workspace SET is_default = FALSE WHERE company = :company AND is_default"

# -- charts ------------------------------------------------------------------------------------------------

ONE_CHART = f"SELECT {CHART} FROM cinema_chart WHERE key = :key AND workspace_id = :workspace_id"
CHART_BY_ID = f"SELECT {CHART} FROM cinema_chart WHERE id = :id"
CHARTS = (
    f"SELECT {CHART} FROM cinema_chart WHERE workspace_id = :workspace_id AND archived = :archived "
    "AND id < :before AND id > :after ORDER BY id DESC"
)
PUBLISHED = "SELECT published FROM cinema_chart WHERE id = :id"
DRAFT = "SELECT draft FROM cinema_chart WHERE id = :id"
CLEAR_SPOTS = "DELETE FROM cinema_spot WHERE chart_id = :chart_id"
ADD_SPOT = (
    "INSERT INTO cinema_spot (chart_id, label, number, data) VALUES (:chart_id, :label, :number, :data)"
)
SPOTS = "SELECT data FROM cinema_spot WHERE chart_id = :chart_id ORDER BY number"
_LISTED = {
    "sqlite": "(SELECT value FROM json_each(:labels))",
    "postgres": "(SELECT value FROM json_array_elements_text(CAST(:labels AS json)))",
}
_SPOTS_OF = "SELECT data FROM cinema_spot WHERE chart_id = :chart_id AND label IN {labels}"
SPOTS_OF = {d: _SPOTS_OF.replace("{labels}", listed) for d, listed in _LISTED.items()}

# -- events ------------------------------------------------------------------------------------------------

ONE_EVENT = f"SELECT {EVENT} FROM cinema_event WHERE workspace_id = :workspace_id AND key = :key"
EVENT_BY_ID = f"SELECT {EVENT} FROM cinema_event WHERE id = :id"
EVENTS = (
    f"SELECT {EVENT} FROM cinema_event WHERE workspace_id = :workspace_id AND id < :before AND id > :after "
    "ORDER BY id DESC LIMIT :limit"
)
EVENTS_UP = f"SELECT {EVENT} FROM cinema_event WHERE workspace_id = :workspace_id AND id > :after ORDER BY id LIMIT :limit"
EVENTS_OF_CHART = f"SELECT {EVENT} FROM cinema_event WHERE chart_id = :chart_id ORDER BY id DESC"

# A status counts while its claim is alive; the row of one that has expired reads as free.
_STATES = """
SELECT s.label, CASE WHEN r.slot IS NULL THEN 'free' ELSE s.status END, CASE WHEN r.slot IS NULL THEN NULL ELSE s.claim_id END,
  s.order_id, CASE WHEN r.slot IS NULL THEN NULL ELSE s.ticket_type END, CASE WHEN r.slot IS NULL THEN NULL ELSE s.listing_id END, s.extra
FROM cinema_state s LEFT JOIN reservation_slot r
  ON r.resource = :resource AND r.slot = s.label AND r.hold_id = s.claim_id AND r.expires_at > :now
WHERE s.event_id = :event_id"""
STATES = _STATES
STATES_OF = {d: _STATES + f" AND s.label IN {listed}" for d, listed in _LISTED.items()}
SET_STATE = f"""
INSERT INTO cinema_state (event_id, {columns(State)})
VALUES (:event_id, :label, :status, :claim_id, :order_id, :ticket_type, :listing_id, :extra)
ON CONFLICT (event_id, label) DO UPDATE SET status = excluded.status, claim_id = excluded.claim_id,
  order_id = excluded.order_id, ticket_type = excluded.ticket_type, listing_id = excluded.listing_id, extra = excluded.extra"""
# Places of areas, while their claim is alive.
PLACES = f"""
SELECT {columns(Places, "p")} FROM cinema_places p JOIN reservation_units u ON u.hold_id = p.claim_id
  AND u.resource = :prefix || p.label AND u.expires_at > :now
WHERE p.event_id = :event_id ORDER BY p.id"""
SET_PLACES = "UPDATE cinema_places SET quantity = :quantity WHERE id = :id"
DELETE_PLACES = "DELETE FROM cinema_places WHERE id = :id"
STATES_OF_CLAIM = (
    "SELECT event_id, label FROM cinema_state WHERE claim_id = :claim_id ORDER BY event_id, label"
)
PLACES_OF_CLAIM = (
    "SELECT event_id, label, quantity FROM cinema_places WHERE claim_id = :claim_id ORDER BY event_id, label"
)

ADD_CHANGE = (
    "INSERT INTO cinema_change (event_id, label, status, quantity, order_id, token, extra, origin, ip, at) "
    "VALUES (:event_id, :label, :status, :quantity, :order_id, :token, :extra, :origin, :ip, :at)"
)
CHANGES = f"SELECT {columns(Change)} FROM cinema_change WHERE event_id = :event_id ORDER BY id DESC"
CHANGES_OF = f"SELECT {columns(Change)} FROM cinema_change WHERE event_id = :event_id AND label = :label ORDER BY id DESC"

ONE_TOKEN = f"SELECT {columns(Token)} FROM cinema_token WHERE token = :token"
SET_TOKEN = "UPDATE cinema_token SET expires_at = :expires_at WHERE token = :token"

# -- the cinema --------------------------------------------------------------------------------------------

MOVIE = f"SELECT {columns(Movie)} FROM cinema_movie WHERE id = :id"
MOVIES = f"SELECT {columns(Movie)} FROM cinema_movie WHERE id > :after ORDER BY id LIMIT :limit"
MOVIES_OF_GENRE = (
    f"SELECT {columns(Movie, 'm')} FROM cinema_genre g JOIN cinema_movie m ON m.id = g.movie_id "
    "WHERE g.name = :genre AND g.movie_id > :after ORDER BY g.movie_id LIMIT :limit"
)
GENRES_OF = "SELECT name FROM cinema_genre WHERE movie_id = :movie_id ORDER BY name"
ALL_GENRES = "SELECT name, count(*) FROM cinema_genre GROUP BY name ORDER BY name"
ADD_GENRE = "INSERT INTO cinema_genre (movie_id, name) VALUES (:movie_id, :name) ON CONFLICT DO NOTHING"
CLEAR_GENRES = "DELETE FROM cinema_genre WHERE movie_id = :movie_id"
DELETE_MOVIE = "DELETE FROM cinema_movie WHERE id = :id"
HALL = f"SELECT {columns(Hall)} FROM cinema_hall WHERE id = :id"
HALLS = f"SELECT {columns(Hall)} FROM cinema_hall ORDER BY name"
ONE_SHOW = f"SELECT {SHOW} FROM cinema_show WHERE id = :id"
SHOWS = (
    f"SELECT {SHOW} FROM cinema_show WHERE starts_at >= :since AND starts_at < :until ORDER BY starts_at, id"
)
SHOWS_OF = (
    f"SELECT {SHOW} FROM cinema_show WHERE movie_id = :movie_id AND starts_at >= :since AND starts_at < :until "
    "ORDER BY starts_at, id"
)
CANCEL_SHOW = (
    "UPDATE cinema_show SET cancelled_at = :now WHERE id = :id AND cancelled_at IS NULL AND starts_at > :now"
)
ONE_BOOKING = f"SELECT {columns(Booking)} FROM cinema_booking WHERE id = :id"
BOOKINGS_OF = f"SELECT {columns(Booking)} FROM cinema_booking WHERE user_id = :user_id AND id < :before ORDER BY id DESC LIMIT :limit"
BOOKED_OF_SHOW = (
    f"SELECT {columns(Booking)} FROM cinema_booking WHERE show_id = :show_id AND state = 'booked' ORDER BY id"
)
# Only what is upcoming: the time is tested where the state changes.
CANCEL_BOOKING = (
    "UPDATE cinema_booking SET state = 'cancelled', cancelled_at = :now WHERE id = :id AND state = 'booked' "
    "AND EXISTS (SELECT 1 FROM cinema_show s WHERE s.id = cinema_booking.show_id AND s.starts_at > :now)"
)
TICKETS_OF = f"SELECT {columns(Ticket)} FROM cinema_ticket WHERE booking_id = :booking_id ORDER BY label"
ONE_TICKET = f"SELECT {columns(Ticket)} FROM cinema_ticket WHERE id = :id"
VOID_TICKETS = "UPDATE cinema_ticket SET live = FALSE WHERE booking_id = :booking_id AND live"
# Of two doors that scan at once, one lets in.
SCAN = "UPDATE cinema_ticket SET scanned_at = :now WHERE id = :id AND live AND scanned_at IS NULL"
SECRET = "SELECT secret FROM cinema_key WHERE name = :name"
ADD_SECRET = "INSERT INTO cinema_key (name, secret) VALUES (:name, :secret) ON CONFLICT (name) DO NOTHING"

TAKINGS = """
SELECT s.id, m.title, h.name, s.starts_at, s.currency, s.event_id, s.cancelled_at,
  count(t.id), coalesce(sum(t.price), 0), coalesce(sum(CASE WHEN t.scanned_at IS NULL THEN 0 ELSE 1 END), 0)
FROM cinema_show s JOIN cinema_movie m ON m.id = s.movie_id JOIN cinema_hall h ON h.id = s.hall_id
LEFT JOIN cinema_ticket t ON t.show_id = s.id AND t.live
WHERE s.starts_at >= :since AND s.starts_at < :until
GROUP BY s.id, m.title, h.name, s.starts_at, s.currency, s.event_id, s.cancelled_at ORDER BY s.starts_at, s.id"""
SEATS_OF_CHART = "SELECT count(*) FROM cinema_spot WHERE chart_id = :chart_id"

CHECKS = (
    Check(
        "one live ticket a seat",
        "No seat of a show has two live tickets",
        "SELECT show_id, label FROM cinema_ticket WHERE live GROUP BY show_id, label HAVING count(*) > 1",
    ),
    Check(
        "a ticket has its seat",
        "Every live ticket's seat is booked for its booking",
        "SELECT t.id FROM cinema_ticket t JOIN cinema_show s ON s.id = t.show_id "
        "LEFT JOIN cinema_state x ON x.event_id = s.event_id AND x.label = t.label "
        "WHERE t.live AND (x.status IS NULL OR x.status <> 'booked' OR x.order_id <> t.booking_id OR x.order_id IS NULL)",
    ),
    Check(
        "a status has its claim",
        "Every seat that is booked is claimed among the reservations, for ever",
        "SELECT x.event_id, x.label FROM cinema_state x LEFT JOIN reservation_slot r ON r.slot = x.label "
        "AND r.resource = 'cinema:' || x.event_id AND r.hold_id = x.claim_id "
        "WHERE x.status = 'booked' AND (r.slot IS NULL OR r.expires_at <= :now)",
    ),
    Check(
        "a booking is its tickets",
        "The amount of a booking is that of its tickets; a cancelled one has no live ticket",
        "SELECT b.id FROM cinema_booking b WHERE b.amount <> "
        "(SELECT coalesce(sum(t.price), 0) FROM cinema_ticket t WHERE t.booking_id = b.id) "
        "OR (b.state = 'cancelled' AND EXISTS (SELECT 1 FROM cinema_ticket t WHERE t.booking_id = b.id AND t.live))",
    ),
)

FORGET_CHANGES = "DELETE FROM cinema_change WHERE event_id = :id"
FORGET_PLACES = "DELETE FROM cinema_places WHERE event_id = :id"
FORGET_STATES = "DELETE FROM cinema_state WHERE event_id = :id"
DELETE_EVENT = "DELETE FROM cinema_event WHERE id = :id"
CLAIMS_OF_EVENT = (
    "SELECT claim_id FROM cinema_state WHERE event_id = :id AND claim_id IS NOT NULL "
    "UNION SELECT claim_id FROM cinema_places WHERE event_id = :id"
)
