"""The statements of idempotency keys."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Answer

# One statement claims a key that is free or whose time is over. On PostgreSQL it waits for a transaction that is
# claiming the same key, and then finds it taken, or free again where that one failed.
CLAIM = """
INSERT INTO idempotency_answer (scope, key, digest, expires_at) VALUES (:scope, :key, :digest, :expires_at)
ON CONFLICT (scope, key) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at, status = NULL,
  headers = NULL, media = NULL, body = NULL
WHERE idempotency_answer.expires_at < :now"""
SELECT = f"SELECT {columns(Answer)} FROM idempotency_answer WHERE scope = :scope AND key = :key"
SELECT_LIVE = SELECT + " AND expires_at >= :now"
KEEP = """
UPDATE idempotency_answer SET status = :status, headers = :headers, media = :media, body = :body
WHERE scope = :scope AND key = :key"""
PURGE = "DELETE FROM idempotency_answer WHERE expires_at < :now"
