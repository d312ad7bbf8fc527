"""Every SQL statement of the audit log."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Entry

ENTRY = columns(Entry)
LOCK_POSTGRES = "SELECT pg_advisory_xact_lock(7364873, hashtext(current_schema()))"
LAST = "SELECT id, hash FROM audit_entry ORDER BY id DESC LIMIT 1"
INSERT = (
    "INSERT INTO audit_entry (id, at, actor, action, subject, before, after, previous, hash) "
    f"VALUES (:id, :at, :actor, :action, :subject, :before, :after, :previous, :hash) RETURNING {ENTRY}"
)
LIST = f"SELECT {ENTRY} FROM audit_entry WHERE id < :below ORDER BY id DESC LIMIT :limit"
LIST_ACTOR = (
    f"SELECT {ENTRY} FROM audit_entry WHERE id < :below AND actor = :actor ORDER BY id DESC LIMIT :limit"
)
LIST_SUBJECT = (
    f"SELECT {ENTRY} FROM audit_entry WHERE id < :below AND subject = :subject ORDER BY id DESC LIMIT :limit"
)
NEXT = f"SELECT {ENTRY} FROM audit_entry WHERE id > :after ORDER BY id LIMIT :limit"
HAS_HASH = "SELECT id FROM audit_entry WHERE hash = :hash"
