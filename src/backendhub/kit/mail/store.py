"""Every SQL statement of the mail."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Message

MESSAGE = columns(Message)

INSERT = (
    "INSERT INTO mail_message (id, state, sender, recipients, shown_to, subject, raw, unique_key, created_at) "
    "VALUES (:id, 'queued', :sender, :recipients, :shown, :subject, :raw, :key, :now) ON CONFLICT (unique_key) DO NOTHING"
)
SELECT = f"SELECT {MESSAGE} FROM mail_message WHERE id = :id"
LIST = f"SELECT {MESSAGE} FROM mail_message WHERE id < :before ORDER BY id DESC LIMIT :limit"
DELETE = "DELETE FROM mail_message WHERE id = :id"
DELETE_ALL = "DELETE FROM mail_message"
SETTLE = "UPDATE mail_message SET state = :state, recipients = :recipients, sent_at = :sent, error = :error WHERE id = :id"
# The row says when the last mail was; whoever moves it on may write, in one statement.
THROTTLE = (
    "INSERT INTO mail_throttle (recipient, about, last_at) VALUES (:recipient, :about, :now) "
    "ON CONFLICT (recipient, about) DO UPDATE SET last_at = excluded.last_at WHERE mail_throttle.last_at <= :since"
)
PURGE = "DELETE FROM mail_message WHERE created_at < :before"
PURGE_THROTTLE = "DELETE FROM mail_throttle WHERE last_at < :before"
