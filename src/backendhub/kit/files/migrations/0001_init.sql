-- What is stored once: content by its SHA-256, under a key of the back-end that is never used again. `refs` counts the
-- files that it belongs to; what has none and is nobody's unfinished business (`busy_until`) may go.
CREATE TABLE files_blob (
  sha256 TEXT PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  size BIGINT NOT NULL CHECK (size >= 0),
  refs BIGINT NOT NULL CHECK (refs >= 0),
  ready BOOLEAN NOT NULL, -- its bytes were there once
  busy_until TEXT NOT NULL
);
CREATE INDEX files_blob_unused ON files_blob (busy_until) WHERE refs = 0;

-- Keys whose bytes are to be deleted. The row that led there is gone already, so nobody can come to need them again.
CREATE TABLE files_trash (
  key TEXT PRIMARY KEY,
  size BIGINT NOT NULL,
  at TEXT NOT NULL
);
CREATE INDEX files_trash_at ON files_trash (at, key);

CREATE TABLE files_file (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  type TEXT NOT NULL,
  size BIGINT NOT NULL,
  sha256 TEXT NOT NULL REFERENCES files_blob (sha256),
  created_at TEXT NOT NULL
);
CREATE INDEX files_file_owner ON files_file (owner, id);
CREATE INDEX files_file_sha256 ON files_file (sha256);

-- What each owner has: files, and what unfinished uploads have reserved. NULL: the quota of the setting.
CREATE TABLE files_usage (
  owner TEXT PRIMARY KEY,
  bytes BIGINT NOT NULL CHECK (bytes >= 0),
  files BIGINT NOT NULL CHECK (files >= 0),
  quota BIGINT CHECK (quota >= 0)
);

-- Uploads in several requests. A piece is a file of its own: of two at one place only one is ever counted.
CREATE TABLE files_upload (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT,
  size BIGINT CHECK (size >= 0), -- NULL: not declared
  reserved BIGINT NOT NULL CHECK (reserved >= 0),
  received BIGINT NOT NULL CHECK (received >= 0),
  expires_at TEXT NOT NULL,
  CHECK (size IS NULL OR received <= size)
);
CREATE INDEX files_upload_expires ON files_upload (expires_at);
CREATE TABLE files_piece (
  upload_id TEXT NOT NULL REFERENCES files_upload (id) ON DELETE CASCADE,
  start BIGINT NOT NULL,
  length BIGINT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (upload_id, start)
);

-- One row: where this store keeps its bytes within the back-end, and what signs its addresses.
CREATE TABLE files_space (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  prefix TEXT NOT NULL,
  secret TEXT NOT NULL
);
