"""Every SQL statement of files."""

from __future__ import annotations

from backendhub.kit.db import columns
from backendhub.kit.paging import Sort

from .models import File, Piece, Upload, Usage

FILE = f"{columns(File, 'f')}, b.key"
ONE = f"SELECT {FILE} FROM files_file f JOIN files_blob b ON b.sha256 = f.sha256 WHERE f.id = :id"
PAGE = (
    f"SELECT {FILE} FROM files_file f JOIN files_blob b ON b.sha256 = f.sha256 "
    "WHERE f.owner = :owner AND {after} ORDER BY {order} LIMIT :limit"
)
SORTS = {"id": Sort("f.id", lambda f: f.id)}
INSERT = (
    "INSERT INTO files_file (id, owner, name, type, size, sha256, created_at) "
    "VALUES (:id, :owner, :name, :type, :size, :sha256, :at)"
)
RENAME = "UPDATE files_file SET name = :name WHERE id = :id"
DELETE = "DELETE FROM files_file WHERE id = :id RETURNING owner, size, sha256"
OF_BLOB = "SELECT count(*) FROM files_file WHERE sha256 = :sha256"

# Content that somebody is about to use: its row, made or kept.
CLAIM = (
    "INSERT INTO files_blob (sha256, key, size, refs, ready, busy_until) "
    "VALUES (:sha256, :key, :size, 0, FALSE, :until) ON CONFLICT (sha256) DO UPDATE SET busy_until = "
    "CASE WHEN files_blob.busy_until > excluded.busy_until THEN files_blob.busy_until ELSE excluded.busy_until END "
    "RETURNING key, ready"
)
# Only where it still is what was claimed: a collection may have come between.
REFER = "UPDATE files_blob SET refs = refs + 1, ready = TRUE WHERE sha256 = :sha256 AND key = :key"
RELEASE = "UPDATE files_blob SET refs = refs - 1 WHERE sha256 = :sha256"
BLOBS = (
    "SELECT sha256, key, size FROM files_blob WHERE refs > 0 AND sha256 > :after ORDER BY sha256 LIMIT :limit"
)

# The condition stands outside too: on PostgreSQL a row may have changed while its lock was waited for.
UNUSED = (
    "DELETE FROM files_blob WHERE refs = 0 AND busy_until < :now AND sha256 IN "
    "(SELECT sha256 FROM files_blob WHERE refs = 0 AND busy_until < :now ORDER BY busy_until LIMIT :limit) "
    "RETURNING key, size"
)
TRASH = "INSERT INTO files_trash (key, size, at) VALUES (:key, :size, :at)"
TRASHED = "SELECT key, size FROM files_trash WHERE at <= :before ORDER BY at, key LIMIT :limit"
EMPTIED = "DELETE FROM files_trash WHERE key = :key"
KNOWN = {
    "sqlite": (
        "SELECT key FROM files_blob WHERE key IN (SELECT value FROM json_each(:keys)) "
        "UNION ALL SELECT key FROM files_trash WHERE key IN (SELECT value FROM json_each(:keys))"
    ),
    "postgres": (
        "SELECT key FROM files_blob WHERE key IN (SELECT json_array_elements_text(CAST(:keys AS json))) "
        "UNION ALL SELECT key FROM files_trash WHERE key IN (SELECT json_array_elements_text(CAST(:keys AS json)))"
    ),
}

OWNER = "INSERT INTO files_usage (owner, bytes, files) VALUES (:owner, 0, 0) ON CONFLICT (owner) DO NOTHING"
# Taken only where it fits: two uploads at once cannot both have the last byte.
TAKE = (
    "UPDATE files_usage SET bytes = bytes + :bytes, files = files + :files WHERE owner = :owner AND "
    "(coalesce(quota, CAST(:quota AS BIGINT)) IS NULL OR bytes + :bytes <= coalesce(quota, CAST(:quota AS BIGINT)))"
)
GIVE = "UPDATE files_usage SET bytes = bytes - :bytes, files = files - :files WHERE owner = :owner"
USAGE = f"SELECT {columns(Usage)} FROM files_usage WHERE owner = :owner"
USAGES = f"SELECT {columns(Usage)} FROM files_usage WHERE owner > :after ORDER BY owner LIMIT :limit"
QUOTA = "UPDATE files_usage SET quota = :quota WHERE owner = :owner"
TOTALS = (
    "SELECT (SELECT count(*) FROM files_file), (SELECT coalesce(sum(size), 0) FROM files_file), "
    "(SELECT count(*) FROM files_blob), (SELECT coalesce(sum(size), 0) FROM files_blob), "
    "(SELECT count(*) FROM files_upload), (SELECT count(*) FROM files_trash)"
)

UPLOAD = f"SELECT {columns(Upload)} FROM files_upload WHERE id = :id"
PIECES = f"SELECT {columns(Piece)} FROM files_piece WHERE upload_id = :id ORDER BY start"
ADVANCE = (
    "UPDATE files_upload SET received = received + :length, expires_at = :until "
    "WHERE id = :id AND received = :start"
)
PIECE = "INSERT INTO files_piece (upload_id, start, length, name) VALUES (:id, :start, :length, :name)"
FINISH = "DELETE FROM files_upload WHERE id = :id AND received = :received RETURNING owner, reserved"
ABORT = "DELETE FROM files_upload WHERE id = :id RETURNING owner, reserved"
EXPIRED = "SELECT id FROM files_upload WHERE expires_at < :now ORDER BY expires_at LIMIT :limit"
ALIVE = {
    "sqlite": "SELECT id FROM files_upload WHERE id IN (SELECT value FROM json_each(:ids))",
    "postgres": "SELECT id FROM files_upload WHERE id IN (SELECT json_array_elements_text(CAST(:ids AS json)))",
}

SPACE = "SELECT prefix, secret FROM files_space WHERE id = 1"
NEW_SPACE = (
    "INSERT INTO files_space (id, prefix, secret) VALUES (1, :prefix, :secret) ON CONFLICT (id) DO NOTHING"
)
