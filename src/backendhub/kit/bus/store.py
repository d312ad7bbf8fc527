"""Every SQL statement of the bus; its tables are the outbox's."""

from __future__ import annotations

from backendhub.kit.outbox.store import EVENT

SELF = "SELECT id FROM outbox_bus LIMIT 1"
# One row for ever: two processes that begin at once must agree on who the store is.
LOCK_POSTGRES = "SELECT pg_advisory_xact_lock(7364873, hashtext(current_schema()))"
JOIN = "INSERT INTO outbox_bus (id, at) VALUES (:id, :now)"
LEAVE = "DELETE FROM outbox_bus"
FORGET_SENDING = "DELETE FROM outbox_sending"
FORGET_LEASES = "DELETE FROM outbox_lease"
FORGET_READERS = "DELETE FROM outbox_reader"

SENDING = "SELECT 1 FROM outbox_sending LIMIT 1"
COUNT_SENDING = "SELECT count(*) FROM outbox_sending"
SELECT_SENDING = (
    f"SELECT {EVENT} FROM outbox_event JOIN (SELECT id AS place, event_id FROM outbox_sending ORDER BY id LIMIT :limit) "
    "AS next ON event_id = outbox_event.id ORDER BY place"
)
SENT = "DELETE FROM outbox_sending WHERE event_id {among}"
SEND_AGAIN = "INSERT INTO outbox_sending (event_id) VALUES (:event) ON CONFLICT DO NOTHING"

ADD_LEASE = (
    "INSERT INTO outbox_lease (name, owner, until, position) VALUES (:name, NULL, :now, :position) "
    "ON CONFLICT DO NOTHING"
)
LEASES = "SELECT name, owner, until, position FROM outbox_lease WHERE name LIKE :names ORDER BY name"
LEASE = "SELECT position FROM outbox_lease WHERE name = :name AND owner = :owner"
TAKE = (
    "UPDATE outbox_lease SET owner = :owner, until = :until WHERE name = :name "
    "AND (owner IS NULL OR owner = :owner OR until <= :now)"
)
RENEW = "UPDATE outbox_lease SET until = :until WHERE owner = :owner"
# Whoever writes down how far a partition is read has to be its reader still: the row is locked until the commit.
MOVE = "UPDATE outbox_lease SET position = :position WHERE name = :name AND owner = :owner"
HOLD = "UPDATE outbox_lease SET position = position WHERE name = :name AND owner = :owner"
RELEASE = "UPDATE outbox_lease SET owner = NULL WHERE name = :name AND owner = :owner"
RELEASE_ALL = "UPDATE outbox_lease SET owner = NULL WHERE owner = :owner"

ALIVE = "INSERT INTO outbox_reader (id, until) VALUES (:id, :until) ON CONFLICT (id) DO UPDATE SET until = excluded.until"
BURY = "DELETE FROM outbox_reader WHERE until <= :now"
GONE = "DELETE FROM outbox_reader WHERE id = :id"
READERS = "SELECT count(*) FROM outbox_reader"

KNOWN = "SELECT consumer, message FROM outbox_inbox WHERE message {among}"
BACKLOG = "SELECT count(*) FROM (SELECT 1 FROM jobs_job WHERE state = 'ready' OR state = 'waiting' LIMIT :limit) AS some"
