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
SELECT_MANY = f"SELECT {ROW} FROM payment_object WHERE kind = :kind AND name {{among}}"
SELECT_MANY_LOCKED = {
    "sqlite": SELECT_MANY,
    "postgres": SELECT_MANY + " ORDER BY id FOR NO KEY UPDATE",
}
ALONE = {
    "sqlite": "SELECT CAST(:name AS TEXT)",  # it has one writer at a time
    "postgres": "SELECT CAST(pg_advisory_xact_lock(7364874, hashtext(current_schema() || :name)) AS TEXT)",
}
UPDATE = "UPDATE payment_object SET data = :data, created = :created WHERE id = :id"
DELETE = "UPDATE payment_object SET deleted = TRUE WHERE id = :id AND NOT deleted"
ERASE = "DELETE FROM payment_object WHERE id = :id"
ERASE_NAMED = "DELETE FROM payment_object WHERE name = :name"
INSERT_FIELD = (
    "INSERT INTO payment_field (object_id, kind, field, value, number) "
    "VALUES (:object_id, :kind, :field, :value, :number) ON CONFLICT DO NOTHING"
)
DELETE_FIELDS = "DELETE FROM payment_field WHERE object_id = :id"

_FIELD = "EXISTS (SELECT 1 FROM payment_field f WHERE f.object_id = o.id{kind} AND f.field = :field{n}"
_ASKED = {
    ":": f"{_FIELD} AND f.value = :value{{n}})",
    "~": f"{_FIELD} AND lower(f.value) LIKE :value{{n}} ESCAPE '\\')",
    "?": f"{_FIELD})",
    "in": f"{_FIELD} AND f.value {{among}})",
}
_NUMBER = f"{_FIELD} AND f.number {{op}} :value{{n}})"
_WITH = "FROM payment_field f WHERE f.kind = :kind AND f.field = :field{n} AND f.value {is}"
# PostgreSQL knows how many rows have a value and may begin with them. SQLite does not: what it is told of the kind would send it
# through all values of a field for each object, and where few objects have a value, it has to be told to begin with those.
_KIND = {"sqlite": "", "postgres": " AND f.kind = :kind"}


def condition(n: int, op: str, dialect: str, *, negated: bool = False) -> str:
    """What a field is asked: `:` equals, `~` contains, `?` is there, `in` is one of several, or a comparison of numbers."""
    words = _ASKED.get(op, _NUMBER).replace("{kind}", _KIND[dialect])
    return ("NOT " if negated else "") + words.replace("{n}", str(n)).replace("{op}", op)


def few(n: int, op: str) -> str:
    """How many objects have a value, counted up to `:most`."""
    return f"SELECT count(*) FROM (SELECT 1 {_with(n, op)} LIMIT :most) x"


def first(n: int, op: str) -> str:
    """A condition to begin with: few objects have the value."""
    return f"o.id IN (SELECT f.object_id {_with(n, op)})"


def _with(n: int, op: str) -> str:
    return _WITH.replace("{is}", "{among}" if op == "in" else "= :value{n}").replace("{n}", str(n))


def created(n: int, op: str) -> str:
    """A bound of the time when things were made."""
    return f"o.created {op} :value{n}"


def page(
    conditions: Sequence[str],
    *,
    joined: str = "AND",
    after: bool = False,
    before: bool = False,
    begun: bool = False,
) -> str:
    """A page of a kind, the newest first; `before` reads backwards from a row. `begun`: one of the conditions is a `first`,
    which says of which kind the objects are."""
    asked = f" AND ({f' {joined} '.join(conditions)})" if conditions else ""
    kind = "" if begun else "o.kind = :kind AND "
    edge = ""
    if after:
        edge = " AND (o.created, o.id) < (:edge_created, :edge_id)"
    elif before:
        edge = " AND (o.created, o.id) > (:edge_created, :edge_id)"
    order = "o.created, o.id" if before else "o.created DESC, o.id DESC"
    return (
        f"SELECT {columns(Row, 'o')} FROM payment_object o WHERE {kind}NOT o.deleted{asked}{edge} "
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
  SELECT sum(a.number) FROM payment_field f
  JOIN payment_object r ON r.id = f.object_id AND r.status NOT IN ('failed', 'canceled')
  JOIN payment_field a ON a.object_id = r.id AND a.field = 'amount'
  WHERE f.kind = 'refund' AND f.field = 'charge' AND f.value = c.charge), 0)"""
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
SELECT e.name FROM payment_object e WHERE e.kind = 'event' AND NOT e.deleted AND NOT EXISTS (
  SELECT 1 FROM outbox_event x WHERE x.uid = e.name)
AND e.created > (SELECT coalesce(max(created), 0) - 2000000 FROM payment_object WHERE kind = 'event' AND NOT deleted)"""

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

INSERT_CREDITED = (
    "INSERT INTO payment_credited (invoice, total, credited, notes) VALUES (:invoice, :total, 0, 0) "
    "ON CONFLICT (invoice) DO NOTHING"
)
# Whoever gets beyond the total of the invoice is told nothing.
CREDIT = (
    "UPDATE payment_credited SET credited = credited + :amount, notes = notes + 1 "
    "WHERE invoice = :invoice AND credited + :amount <= total RETURNING notes"
)
UNCREDIT = "UPDATE payment_credited SET credited = credited - :amount WHERE invoice = :invoice AND credited >= :amount"
SELECT_CREDITED = "SELECT credited FROM payment_credited WHERE invoice = :invoice"
INSERT_CREDIT = (
    "INSERT INTO payment_credit (id, credit_note, invoice, line, amount, discount, tax) "
    "VALUES (:id, :credit_note, :invoice, :line, :amount, :discount, :tax)"
)
RESET_CREDITED = "DELETE FROM payment_credited WHERE invoice = :invoice"
RESET_CREDIT = "DELETE FROM payment_credit WHERE invoice = :invoice"
DELETE_CREDIT = "DELETE FROM payment_credit WHERE credit_note = :credit_note"
SELECT_CREDIT = (
    "SELECT line, CAST(sum(amount) AS BIGINT) AS amount, CAST(sum(discount) AS BIGINT) AS discount, "
    "CAST(sum(tax) AS BIGINT) AS tax FROM payment_credit WHERE invoice = :invoice AND line IS NOT NULL GROUP BY line"
)

CHECK_LINES = """
SELECT o.name FROM payment_object o JOIN payment_field t ON t.object_id = o.id AND t.field = 'total'
WHERE o.kind = 'invoice' AND NOT o.deleted AND t.number <> coalesce((
  SELECT sum(l.amount - l.discount + l.tax) FROM payment_line l WHERE l.invoice = o.name), 0)"""
CHECK_DUE = """
SELECT o.name FROM payment_object o
JOIN payment_field t ON t.object_id = o.id AND t.field = 'total'
JOIN payment_field d ON d.object_id = o.id AND d.field = 'amount_due'
JOIN payment_field s ON s.object_id = o.id AND s.field = 'starting_balance'
JOIN payment_field e ON e.object_id = o.id AND e.field = 'ending_balance'
LEFT JOIN payment_field c ON c.object_id = o.id AND c.field = 'pre_payment_credit_notes_amount'
WHERE o.kind = 'invoice' AND o.status <> 'draft'
AND d.number <> t.number + s.number - e.number - coalesce(c.number, 0)"""
CHECK_INVOICE_PAID = """
SELECT o.name FROM payment_object o
JOIN payment_field p ON p.object_id = o.id AND p.field = 'amount_paid'
JOIN payment_field b ON b.object_id = o.id AND b.field = 'paid_out_of_band' AND b.value = 'false'
WHERE o.kind = 'invoice' AND o.status = 'paid' AND p.number <> coalesce((
  SELECT sum(a.number) FROM payment_field f JOIN payment_object y ON y.id = f.object_id AND y.kind = 'invoice_payment'
  JOIN payment_field s ON s.object_id = y.id AND s.field = 'status' AND s.value = 'paid'
  JOIN payment_field a ON a.object_id = y.id AND a.field = 'amount_paid'
  JOIN payment_field i ON i.object_id = y.id AND i.field = 'payment.payment_intent'
  JOIN payment_object n ON n.kind = 'payment_intent' AND n.name = i.value AND n.status = 'succeeded'
  WHERE f.kind = 'invoice_payment' AND f.field = 'invoice' AND f.value = o.name), 0)"""
CHECK_PERIODS = """
SELECT p.subscription, p.ends, p.following FROM (
  SELECT subscription, ends, lead(starts) OVER (PARTITION BY subscription ORDER BY starts) AS following
  FROM payment_period) p WHERE p.following <> p.ends"""
CHECK_BILLED = """
SELECT p.invoice FROM payment_period p WHERE p.invoice <> '' AND (
  NOT EXISTS (SELECT 1 FROM payment_object o WHERE o.kind = 'invoice' AND o.name = p.invoice) OR
  (SELECT count(*) FROM payment_period q WHERE q.invoice = p.invoice) > 1)"""
CHECK_COUPONS = """
SELECT o.name FROM payment_object o JOIN payment_field m ON m.object_id = o.id AND m.field = 'max_redemptions'
JOIN payment_field t ON t.object_id = o.id AND t.field = 'times_redeemed'
WHERE o.kind IN ('coupon', 'promotion_code') AND t.number > m.number"""
CHECK_CREDITED = """
SELECT c.invoice, c.credited FROM payment_credited c WHERE c.credited > c.total OR c.credited <> coalesce((
  SELECT sum(k.amount - k.discount + k.tax) FROM payment_credit k WHERE k.invoice = c.invoice), 0)"""
CHECK_CREDIT_NOTES = """
SELECT o.name FROM payment_object o JOIN payment_field a ON a.object_id = o.id AND a.field = 'amount'
JOIN payment_field p ON p.object_id = o.id AND p.field = 'pre_payment_amount'
JOIN payment_field q ON q.object_id = o.id AND q.field = 'post_payment_amount'
JOIN payment_field s ON s.object_id = o.id AND s.field = 'status'
WHERE o.kind = 'credit_note' AND (a.number <> p.number + q.number OR s.value = 'issued' AND a.number <> coalesce((
  SELECT sum(k.amount - k.discount + k.tax) FROM payment_credit k WHERE k.credit_note = o.name), 0))"""
CHECK_SESSIONS = """
SELECT o.name FROM payment_object o JOIN payment_field f ON f.object_id = o.id AND f.field = 'payment_intent'
JOIN payment_field s ON s.object_id = o.id AND s.field = 'payment_status' AND s.value = 'paid'
WHERE o.kind = 'checkout.session' AND o.status = 'complete' AND NOT EXISTS (
  SELECT 1 FROM payment_object i WHERE i.kind = 'payment_intent' AND i.name = f.value AND i.status = 'succeeded')"""
