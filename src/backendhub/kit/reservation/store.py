"""Every SQL statement of reservations.

Rows are locked in one order everywhere: hold, stock by its key, units, slots by their key. On SQLite the transaction
itself is the lock (BEGIN IMMEDIATE).
"""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Hold, Stock

HOLD = columns(Hold)
STOCK = columns(Stock)
FOREVER = "9999-12-31T23:59:59.999Z"

ONE_HOLD = f"SELECT {HOLD} FROM reservation_hold WHERE id = :id"
REQUEST = "SELECT owner, request FROM reservation_hold WHERE id = :id"
HOLDS_OF = f"SELECT {HOLD} FROM reservation_hold WHERE owner = :owner ORDER BY id"
INSERT_HOLD = (
    "INSERT INTO reservation_hold (id, owner, state, expires_at, size, request, created_at) "
    "VALUES (:id, :owner, :state, :expires_at, :size, :request, :now) ON CONFLICT (id) DO NOTHING"
)
# The right to go on with a hold: its time is tested here, and once more with every claim.
CONFIRM = (
    "UPDATE reservation_hold SET state = 'confirmed', expires_at = :forever "
    "WHERE id = :id AND state = 'held' AND expires_at > :now"
)
EXTEND = "UPDATE reservation_hold SET expires_at = :expires_at WHERE id = :id AND state = 'held' AND expires_at > :now"
GROW = "UPDATE reservation_hold SET size = size + :size WHERE id = :id AND state IN ('held', 'confirmed') AND expires_at > :now"
RELEASE = "UPDATE reservation_hold SET state = 'released', size = 0 WHERE id = :id AND state = :state AND expires_at > :now"
EXPIRE = {
    "sqlite": (
        "UPDATE reservation_hold SET state = 'expired', size = 0 WHERE id IN (SELECT id FROM reservation_hold "
        "WHERE state = 'held' AND expires_at <= :now ORDER BY expires_at LIMIT :limit)"
    ),
    "postgres": (
        "UPDATE reservation_hold SET state = 'expired', size = 0 WHERE id IN (SELECT id FROM reservation_hold "
        "WHERE state = 'held' AND expires_at <= :now ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
    ),
}

# -- countable ---------------------------------------------------------------------------------------------

ONE_STOCK = f"SELECT {STOCK} FROM reservation_stock WHERE resource = :resource AND location = :location"
STOCK_OF = f"SELECT {STOCK} FROM reservation_stock WHERE resource = :resource ORDER BY free DESC, held DESC, location"
ADD_STOCK = """
INSERT INTO reservation_stock (resource, location, free, held, sold) VALUES (:resource, :location, :quantity, 0, 0)
ON CONFLICT (resource, location) DO UPDATE SET free = reservation_stock.free + excluded.free"""
RESTOCK = f"{ADD_STOCK} RETURNING {STOCK}"
WITHDRAW = (
    "UPDATE reservation_stock SET free = free - :quantity "
    "WHERE resource = :resource AND location = :location AND free >= :quantity"
)
TAKE = (
    "UPDATE reservation_stock SET free = free - :quantity, held = held + :quantity "
    "WHERE resource = :resource AND location = :location AND free >= :quantity"
)
LOCK_STOCK_ON_POSTGRES = (
    "SELECT free FROM reservation_stock WHERE resource = :resource AND location = :location FOR UPDATE"
)
LOCK_STOCK_OF_ON_POSTGRES = (
    "SELECT s.free FROM reservation_stock s JOIN reservation_units u ON u.resource = s.resource "
    'AND u.location = s.location WHERE u.hold_id = :id ORDER BY s.resource COLLATE "C", s.location COLLATE "C" FOR UPDATE OF s'
)
# What expired holds still keep of a stock goes back to it, whether or not the sweeper has been there.
RECLAIM = (
    "DELETE FROM reservation_units WHERE resource = :resource AND location = :location AND NOT sold "
    "AND expires_at <= :now RETURNING quantity"
)
GIVE_BACK = (
    "UPDATE reservation_stock SET free = free + :quantity, held = held - :quantity "
    "WHERE resource = :resource AND location = :location"
)
UNSELL = (
    "UPDATE reservation_stock SET free = free + :quantity, sold = sold - :quantity "
    "WHERE resource = :resource AND location = :location"
)
_OVERDUE = """
SELECT resource, location FROM reservation_units WHERE NOT sold AND expires_at <= :now
GROUP BY resource, location ORDER BY resource{c}, location{c} LIMIT :limit"""
OVERDUE_STOCK = {"sqlite": _OVERDUE.format(c=""), "postgres": _OVERDUE.format(c=' COLLATE "C"')}
ADD_UNITS = """
INSERT INTO reservation_units (hold_id, resource, location, quantity, sold, expires_at)
VALUES (:hold_id, :resource, :location, :quantity, FALSE, :expires_at)
ON CONFLICT (hold_id, resource, location) DO UPDATE SET quantity = reservation_units.quantity + excluded.quantity"""
DROP_UNITS = (
    "UPDATE reservation_units SET quantity = quantity - :quantity WHERE hold_id = :id AND resource = :resource "
    "AND location = :location AND quantity > :quantity RETURNING sold"
)
DROP_ALL_UNITS = (
    "DELETE FROM reservation_units WHERE hold_id = :id AND resource = :resource AND location = :location "
    "AND quantity = :quantity RETURNING sold"
)
UNITS_OF = "SELECT resource, quantity, location FROM reservation_units WHERE hold_id = :id ORDER BY resource, location"
SELL_UNITS = "UPDATE reservation_units SET sold = TRUE, expires_at = :forever WHERE hold_id = :id AND expires_at > :now"
EXTEND_UNITS = (
    "UPDATE reservation_units SET expires_at = :expires_at WHERE hold_id = :id AND expires_at > :now"
)
DELETE_UNITS = "DELETE FROM reservation_units WHERE hold_id = :id"
SELL_STOCK = (
    "UPDATE reservation_stock SET held = held - u.quantity, sold = reservation_stock.sold + u.quantity "
    "FROM reservation_units u "
    "WHERE u.hold_id = :id AND u.resource = reservation_stock.resource AND u.location = reservation_stock.location"
)
FREE_STOCK = (
    "UPDATE reservation_stock SET free = free + u.quantity, "
    "held = held - CASE WHEN u.sold THEN 0 ELSE u.quantity END, "
    "sold = reservation_stock.sold - CASE WHEN u.sold THEN u.quantity ELSE 0 END FROM reservation_units u "
    "WHERE u.hold_id = :id AND u.resource = reservation_stock.resource AND u.location = reservation_stock.location"
)
SHIP_STOCK = (
    "UPDATE reservation_stock SET sold = reservation_stock.sold - u.quantity FROM reservation_units u "
    "WHERE u.hold_id = :id AND u.sold AND u.resource = reservation_stock.resource "
    "AND u.location = reservation_stock.location"
)
SHIP_UNITS = "DELETE FROM reservation_units WHERE hold_id = :id AND sold"

# -- unique ------------------------------------------------------------------------------------------------

# A list of [resource, slot] as rows.
_ASKED = {
    "sqlite": "(SELECT json_extract(value, '$[0]') AS resource, json_extract(value, '$[1]') AS slot FROM json_each(:slots))",
    "postgres": "(SELECT value->>0 AS resource, value->>1 AS slot FROM json_array_elements(CAST(:slots AS json)))",
}
# Free slots and expired ones are taken in one statement; a row that somebody has is left, and so not counted.
_CLAIM = """
INSERT INTO reservation_slot (resource, slot, hold_id, expires_at)
SELECT asked.resource, asked.slot, :hold_id, :expires_at FROM {asked} AS asked WHERE TRUE ORDER BY 1, 2
ON CONFLICT (resource, slot) DO UPDATE SET hold_id = excluded.hold_id, expires_at = excluded.expires_at
WHERE reservation_slot.expires_at <= :now"""
_TAKEN = """
SELECT s.resource, s.slot, s.hold_id FROM {asked} AS asked
JOIN reservation_slot s ON s.resource = asked.resource AND s.slot = asked.slot
WHERE s.expires_at > :now ORDER BY 1, 2"""
_DROP = """
DELETE FROM reservation_slot WHERE hold_id = :id AND EXISTS (
  SELECT 1 FROM {asked} AS asked WHERE asked.resource = reservation_slot.resource AND asked.slot = reservation_slot.slot)"""
CLAIM_SLOTS = {dialect: _CLAIM.replace("{asked}", asked) for dialect, asked in _ASKED.items()}
TAKEN_SLOTS = {dialect: _TAKEN.replace("{asked}", asked) for dialect, asked in _ASKED.items()}
DROP_SLOTS = {dialect: _DROP.replace("{asked}", asked) for dialect, asked in _ASKED.items()}
LOCK_SLOTS_ON_POSTGRES = (
    "SELECT slot FROM reservation_slot WHERE hold_id = :id ORDER BY resource, slot FOR UPDATE"
)
SLOTS_OF = "SELECT resource, slot FROM reservation_slot WHERE hold_id = :id ORDER BY resource, slot"
KEEP_SLOTS = "UPDATE reservation_slot SET expires_at = :expires_at WHERE hold_id = :id AND expires_at > :now"
DELETE_SLOTS = "DELETE FROM reservation_slot WHERE hold_id = :id"
CLAIMS = (
    "SELECT s.slot, s.hold_id, h.state, s.expires_at FROM reservation_slot s JOIN reservation_hold h ON h.id = s.hold_id "
    "WHERE s.resource = :resource AND s.expires_at > :now ORDER BY s.slot"
)
# The sweeper waits for nobody: whoever has a row is taking it over.
SWEEP_SLOTS = {
    "sqlite": "DELETE FROM reservation_slot WHERE expires_at <= :now",
    "postgres": (
        "DELETE FROM reservation_slot WHERE (resource, slot) IN (SELECT resource, slot FROM reservation_slot "
        "WHERE expires_at <= :now FOR UPDATE SKIP LOCKED)"
    ),
}
