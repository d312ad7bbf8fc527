"""The SQL of the gateway: the one configuration that it keeps."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Stored

ONE = f"SELECT {columns(Stored)} FROM gateway_config WHERE id = 1"
REVISION = "SELECT revision FROM gateway_config WHERE id = 1"
PUT = (
    "INSERT INTO gateway_config (id, config, revision, updated_at) VALUES (1, :config, 1, :now) "
    "ON CONFLICT (id) DO UPDATE SET config = excluded.config, revision = gateway_config.revision + 1, "
    f"updated_at = excluded.updated_at RETURNING {columns(Stored)}"
)
