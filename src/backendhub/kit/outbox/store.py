"""Every SQL statement of the outbox, its endpoints and the inbox."""

from __future__ import annotations

from backendhub.kit.db import columns
from backendhub.kit.sealing import Holder

from .models import Delivery, Endpoint, Event

EVENT = columns(Event)
ENDPOINT = columns(Endpoint)
DELIVERY = columns(Delivery)

INSERT_EVENT = (
    "INSERT INTO outbox_event (uid, topic, key, data, at, traceparent) "
    "VALUES (:uid, :topic, :key, :data, :at, :traceparent)"
)
WAITING = "SELECT 1 FROM outbox_event WHERE relayed_at IS NULL LIMIT 1"
SELECT_WAITING = f"SELECT {EVENT} FROM outbox_event WHERE relayed_at IS NULL ORDER BY id LIMIT :limit"
# One relay at a time in a schema, so that the jobs of one key are put in in the order of its events.
LOCK_POSTGRES = "SELECT pg_advisory_xact_lock(7364871, hashtext(current_schema()))"
RELAYED = "UPDATE outbox_event SET relayed_at = :now WHERE relayed_at IS NULL AND id {among}"
# Only where the store is on a bus: whatever process hands an event on, with the bus or without.
TO_SEND = (
    "INSERT INTO outbox_sending (event_id) SELECT id FROM outbox_event WHERE id {among} "
    "AND EXISTS (SELECT 1 FROM outbox_bus) ORDER BY id"
)
LISTENERS = "SELECT name, topics FROM jobs_kind WHERE topics <> '[]'"

SELECT_EVENT = f"SELECT {EVENT} FROM outbox_event WHERE id = :id"
SELECT_EVENT_UID = f"SELECT {EVENT} FROM outbox_event WHERE uid = :uid"
LIST_EVENTS = f"SELECT {EVENT} FROM outbox_event WHERE id < :before ORDER BY id DESC LIMIT :limit"
LIST_EVENTS_TOPIC = (
    f"SELECT {EVENT} FROM outbox_event WHERE id < :before AND topic = :topic ORDER BY id DESC LIMIT :limit"
)
FIRST_SINCE = "SELECT min(id) FROM outbox_event WHERE at >= :since"
UNDELIVERED = (
    f"SELECT {EVENT} FROM outbox_event WHERE at >= :since AND id > :after AND relayed_at IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM outbox_delivery d WHERE d.event_id = outbox_event.id AND d.endpoint_id = :endpoint AND d.ok) "
    "ORDER BY id LIMIT :limit"
)
PURGE_EVENTS = (
    "DELETE FROM outbox_event WHERE id IN (SELECT id FROM outbox_event WHERE at < :before "
    "AND relayed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outbox_sending s WHERE s.event_id = outbox_event.id) "
    "ORDER BY at LIMIT 1000)"
)

INSERT_ENDPOINT = (
    "INSERT INTO outbox_endpoint (id, url, topics, note, signer, secret, enabled, created_at) "
    f"VALUES (:id, :url, :topics, :note, :signer, :secret, TRUE, :now) RETURNING {ENDPOINT}"
)
SELECT_ENDPOINT = f"SELECT {ENDPOINT} FROM outbox_endpoint WHERE id = :id"
LIST_ENDPOINTS = f"SELECT {ENDPOINT} FROM outbox_endpoint ORDER BY id"
ENABLED = f"SELECT {ENDPOINT} FROM outbox_endpoint WHERE enabled ORDER BY id"
EDIT = "UPDATE outbox_endpoint SET url = :url, topics = :topics WHERE id = :id"
ENABLE = "UPDATE outbox_endpoint SET enabled = TRUE, failing_since = NULL, disabled_at = NULL, reason = NULL WHERE id = :id"
DISABLE = "UPDATE outbox_endpoint SET enabled = FALSE, disabled_at = :now, reason = :reason WHERE id = :id AND enabled"
ROTATE = (
    "UPDATE outbox_endpoint SET old_secret = secret, old_until = :until, secret = :secret WHERE id = :id "
    f"RETURNING {ENDPOINT}"
)
SECRETS = """
SELECT 'webhook' AS kind, id, secret FROM outbox_endpoint
UNION ALL SELECT 'old', id, old_secret FROM outbox_endpoint WHERE old_secret IS NOT NULL"""
RESEAL = "UPDATE outbox_endpoint SET secret = :secret WHERE id = :id AND secret = :old"
RESEAL_OLD = "UPDATE outbox_endpoint SET old_secret = :secret WHERE id = :id AND old_secret = :old"
HOLDER = Holder("outbox", SECRETS, {"webhook": RESEAL, "old": RESEAL_OLD})
DELETE_ENDPOINT = "DELETE FROM outbox_endpoint WHERE id = :id"

INSERT_DELIVERY = (
    "INSERT INTO outbox_delivery (endpoint_id, event_id, job_id, attempt, at, ok, status, ms, error, answer) "
    "VALUES (:endpoint, :event, :job, :attempt, :at, :ok, :status, :ms, :error, :answer)"
)
WELL_AGAIN = "UPDATE outbox_endpoint SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL"
FAILING = "UPDATE outbox_endpoint SET failing_since = :now WHERE id = :id AND failing_since IS NULL"
LIST_DELIVERIES = f"SELECT {DELIVERY} FROM outbox_delivery WHERE endpoint_id = :endpoint AND id < :before ORDER BY id DESC LIMIT :limit"
PURGE_DELIVERIES = "DELETE FROM outbox_delivery WHERE id IN (SELECT id FROM outbox_delivery WHERE at < :before ORDER BY at LIMIT 1000)"

RECEIVE = "INSERT INTO outbox_inbox (consumer, message, at) VALUES (:consumer, :message, :at) ON CONFLICT DO NOTHING"
PURGE_INBOX = "DELETE FROM outbox_inbox WHERE at < :before"
