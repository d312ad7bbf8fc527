"""Every SQL statement of the system."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.kit.db import columns

from .models import Charged, Row

ROW = columns(Row)
CHARGED = columns(Charged)

INSERT = (
    "INSERT INTO payment_object (name, kind, created, status, deleted, data) "
    f"VALUES (:name, :kind, :created, :status, FALSE, :data) RETURNING {ROW}"
)
SELECT = f"SELECT {ROW} FROM payment_object WHERE kind = :kind AND name = :name"
SELECT_LOCKED = {"sqlite": SELECT, "postgres": SELECT + " FOR NO KEY UPDATE"}
SELECT_ANY = f"SELECT {ROW} FROM payment_object WHERE name = :name AND kind <> 'event' ORDER BY id LIMIT 1"
SELECT_MANY = f"SELECT {ROW} FROM payment_object WHERE kind = :kind AND name {{among}}"
UPDATE = "UPDATE payment_object SET data = :data, created = :created WHERE id = :id"
DELETE = "UPDATE payment_object SET deleted = TRUE WHERE id = :id AND NOT deleted"
ERASE = "DELETE FROM payment_object WHERE id = :id"
ERASE_NAMED = "DELETE FROM payment_object WHERE name = :name"
INSERT_FIELD = (
    "INSERT INTO payment_field (object_id, kind, field, value, number) "
    "VALUES (:object_id, :kind, :field, :value, :number) ON CONFLICT DO NOTHING"
)
DELETE_FIELDS = "DELETE FROM payment_field WHERE object_id = :id"

_EQUAL = (
    "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id AND f.kind = :kind "
    "AND f.field = :field{n} AND f.value = :value{n})"
)
_LIKE = (
    "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id AND f.kind = :kind "
    "AND f.field = :field{n} AND lower(f.value) LIKE :value{n} ESCAPE '\\')"
)
_HAS = "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id AND f.kind = :kind AND f.field = :field{n})"
_IN = (
    "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id AND f.kind = :kind "
    "AND f.field = :field{n} AND f.value {among})"
)
_NUMBER = (
    "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id AND f.kind = :kind "
    "AND f.field = :field{n} AND f.number {op} :value{n})"
)


def condition(n: int, op: str, *, negated: bool = False) -> str:
    """What a field is asked: `:` equals, `~` contains, `?` is there, `in` is one of several, or a comparison of numbers."""
    words = {":": _EQUAL, "~": _LIKE, "?": _HAS, "in": _IN}.get(op, _NUMBER)
    return ("NOT " if negated else "") + words.replace("{n}", str(n)).replace("{op}", op)


def created(n: int, op: str) -> str:
    """A bound of the time when things were made."""
    return f"o.created {op} :value{n}"


def page(conditions: Sequence[str], *, joined: str = "AND", after: bool = False, before: bool = False) -> str:
    """A page of a kind, the newest first; `before` reads backwards from a row."""
    asked = f" AND ({f' {joined} '.join(conditions)})" if conditions else ""
    edge = ""
    if after:
        edge = " AND (o.created, o.id) < (:edge_created, :edge_id)"
    elif before:
        edge = " AND (o.created, o.id) > (:edge_created, :edge_id)"
    order = "o.created, o.id" if before else "o.created DESC, o.id DESC"
    return (
        f"SELECT {columns(Row, 'o')} FROM payment_object o WHERE o.kind = :kind AND NOT o.deleted{asked}{edge} "
        f"ORDER BY {order} LIMIT :limit"
    )


INSERT_CHARGED = (
    "INSERT INTO payment_charged (charge, currency, authorized, captured, refunded) "
    f"VALUES (:charge, :currency, :authorized, 0, 0) RETURNING {CHARGED}"
)
SELECT_CHARGED = f"SELECT {CHARGED} FROM payment_charged WHERE charge = :charge"
EXTEND = (
    "UPDATE payment_charged SET authorized = :authorized WHERE charge = :charge AND authorized <= :authorized"
)
CAPTURE = (
    "UPDATE payment_charged SET captured = captured + :amount "
    "WHERE charge = :charge AND captured + :amount <= authorized AND refunded = 0"
)
REFUND = (
    "UPDATE payment_charged SET refunded = refunded + :amount "
    "WHERE charge = :charge AND refunded + :amount <= captured"
)
UNREFUND = (
    "UPDATE payment_charged SET refunded = refunded - :amount WHERE charge = :charge AND refunded >= :amount"
)

INSERT_PLACE = "INSERT INTO payment_place (endpoint, place) VALUES (:endpoint, :place)"
DELETE_PLACE = "DELETE FROM payment_place WHERE endpoint = :endpoint"
RESET_CHARGED = "DELETE FROM payment_charged WHERE charge = :charge"
SELECT_PLACE = "SELECT place FROM payment_place WHERE endpoint = :endpoint"

# -- invariants: each finds what breaks it -----------------------------------------------------------------

CHECK_CHARGED = (
    "SELECT charge, authorized, captured, refunded FROM payment_charged "
    "WHERE captured > authorized OR refunded > captured OR refunded < 0"
)
# A refund's amount stands in its indexed fields.
CHECK_REFUNDS = """
SELECT c.charge, c.refunded FROM payment_charged c WHERE c.refunded <> coalesce((
  SELECT sum(a.number) FROM payment_object r
  JOIN payment_field f ON f.object_id = r.id AND f.field = 'charge' AND f.value = c.charge
  JOIN payment_field a ON a.object_id = r.id AND a.field = 'amount'
  WHERE r.kind = 'refund' AND r.status NOT IN ('failed', 'canceled')), 0)"""
CHECK_CAPTURES = """
SELECT c.charge, c.captured FROM payment_charged c WHERE (c.captured > 0) <> EXISTS (
  SELECT 1 FROM ledger_transfer t WHERE t.id = 'payment:' || c.charge || ':capture')"""
CHECK_REFUND_MOVES = """
SELECT r.name FROM payment_object r WHERE r.kind = 'refund' AND (NOT EXISTS (
  SELECT 1 FROM ledger_transfer t WHERE t.id = 'payment:' || r.name) OR
  (r.status IN ('failed', 'canceled')) <> EXISTS (
    SELECT 1 FROM ledger_transfer t WHERE t.id = 'payment:' || r.name || ':back'))"""
CHECK_TWICE = """
SELECT f.value FROM payment_charged c JOIN payment_object o ON o.kind = 'charge' AND o.name = c.charge
JOIN payment_field f ON f.object_id = o.id AND f.field = 'payment_intent'
WHERE c.captured > 0 GROUP BY f.value HAVING count(*) > 1"""
CHECK_PAID = """
SELECT o.name FROM payment_object o WHERE o.kind = 'payment_intent' AND o.status = 'succeeded' AND NOT EXISTS (
  SELECT 1 FROM payment_field f JOIN payment_object h ON h.id = f.object_id
  JOIN payment_charged c ON c.charge = h.name
  WHERE f.kind = 'charge' AND f.field = 'payment_intent' AND f.value = o.name AND c.captured > 0)"""
CHECK_EVENTS = """
SELECT e.name FROM payment_object e WHERE e.kind = 'event' AND NOT EXISTS (
  SELECT 1 FROM outbox_event x WHERE x.uid = e.name)
AND e.created > (SELECT coalesce(max(created), 0) - 2000000 FROM payment_object WHERE kind = 'event')"""

# -- billing -----------------------------------------------------------------------------------------------

DELETE_LINES = "DELETE FROM payment_line WHERE invoice = :invoice"
INSERT_LINE = "INSERT INTO payment_line (id, invoice, amount, discount, tax) VALUES (:id, :invoice, :amount, :discount, :tax)"
# A period is billed by whoever writes its row; the second one is told 0.
INSERT_PERIOD = (
    "INSERT INTO payment_period (subscription, starts, ends, invoice) VALUES (:subscription, :starts, :ends, :invoice) "
    "ON CONFLICT DO NOTHING"
)
CUT_PERIOD = (
    "UPDATE payment_period SET ends = :at WHERE subscription = :subscription AND starts < :at AND ends > :at"
)
DELETE_PERIOD = "DELETE FROM payment_period WHERE subscription = :subscription AND starts = :starts"
INSERT_USAGE = (
    "INSERT INTO payment_usage (identifier, meter, customer, at, value) "
    "VALUES (:identifier, :meter, :customer, :at, :value) ON CONFLICT DO NOTHING"
)
_WINDOW = "FROM payment_usage WHERE meter = :meter AND customer = :customer AND at >= :start AND at < :end"
USED = {
    "sum": f"SELECT coalesce(sum(value), 0) {_WINDOW}",
    "count": f"SELECT count(*) {_WINDOW}",
    "last": f"SELECT value {_WINDOW} ORDER BY at DESC, identifier DESC LIMIT 1",
}
