"""The SQL of rate-limiter: domains that are configured through the API."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Stored

ALL = f"SELECT {columns(Stored)} FROM rate_limiter_domain ORDER BY domain"
ONE = f"SELECT {columns(Stored)} FROM rate_limiter_domain WHERE domain = :domain"
PUT = (
    "INSERT INTO rate_limiter_domain (domain, config, revision, created_at, updated_at) "
    "VALUES (:domain, :config, 1, :now, :now) ON CONFLICT (domain) DO UPDATE SET config = excluded.config, "
    f"revision = rate_limiter_domain.revision + 1, updated_at = excluded.updated_at RETURNING {columns(Stored)}"
)
DELETE = "DELETE FROM rate_limiter_domain WHERE domain = :domain"
REVISION = "SELECT revision FROM rate_limiter_revision WHERE id = 1"
BUMP = "UPDATE rate_limiter_revision SET revision = revision + 1 WHERE id = 1"
