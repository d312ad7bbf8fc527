-- One account store for all systems. What identifies an account has a folded twin (`…_key`) that is unique.
CREATE TABLE accounts_user (
  id TEXT PRIMARY KEY,
  email TEXT,
  email_key TEXT UNIQUE,
  username TEXT,
  username_key TEXT UNIQUE,
  phone TEXT UNIQUE, -- digits of an E.164 number, without the plus
  name TEXT,
  roles TEXT NOT NULL, -- JSON list
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  banned_until TEXT,
  anonymous BOOLEAN NOT NULL,
  metadata TEXT NOT NULL, -- JSON object that the account itself may change
  app_metadata TEXT NOT NULL, -- JSON object that only administrators change
  email_confirmed_at TEXT,
  phone_confirmed_at TEXT,
  last_sign_in_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  revision BIGINT NOT NULL,
  CHECK ((email IS NULL) = (email_key IS NULL)),
  CHECK ((username IS NULL) = (username_key IS NULL))
);
CREATE INDEX accounts_user_admin ON accounts_user (id) WHERE roles LIKE '%"admin"%';

-- Apart from the account, so that no listing of accounts can ever show one.
CREATE TABLE accounts_password (
  user_id TEXT PRIMARY KEY REFERENCES accounts_user (id) ON DELETE CASCADE,
  hash TEXT NOT NULL,
  changed_at TEXT NOT NULL
);

-- A sign-in, by whatever means; secrets are kept as SHA-256 only.
CREATE TABLE accounts_session (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  token_hash TEXT UNIQUE, -- of the cookie, where it has one
  scopes TEXT NOT NULL, -- JSON list; empty: whatever the account may do
  aal TEXT NOT NULL, -- assurance: aal1 one factor, aal2 two
  methods TEXT NOT NULL, -- JSON list of {method, timestamp}
  user_agent TEXT,
  ip TEXT,
  created_at TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  idle_s BIGINT NOT NULL, -- 0: no idle limit
  idle_until TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  ended_at TEXT,
  ended_by TEXT
);
CREATE INDEX accounts_session_user ON accounts_session (user_id, id);
CREATE INDEX accounts_session_expires ON accounts_session (expires_at);

-- The refresh tokens of a session, one row each: a family. `nonce` lets the direct parent of the newest token make that
-- token again for a client that asked twice; it is erased when the newest one is used.
CREATE TABLE accounts_refresh (
  hash TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES accounts_session (id) ON DELETE CASCADE,
  parent_hash TEXT,
  nonce TEXT,
  created_at TEXT NOT NULL,
  used_at TEXT
);
CREATE INDEX accounts_refresh_session ON accounts_refresh (session_id);

CREATE TABLE accounts_api_key (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  start TEXT NOT NULL, -- its first characters, to recognise it by
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT,
  last_used_at TEXT,
  revoked_at TEXT
);
CREATE INDEX accounts_api_key_user ON accounts_api_key (user_id, id);

-- Keys that access tokens are signed with. One per algorithm signs (`retired_at` is null); a retired one still
-- verifies until `expires_at`.
CREATE TABLE accounts_signing_key (
  id TEXT PRIMARY KEY, -- RFC 7638 thumbprint
  algorithm TEXT NOT NULL,
  private TEXT NOT NULL, -- JWK
  created_at TEXT NOT NULL,
  retired_at TEXT,
  expires_at TEXT
);
CREATE UNIQUE INDEX accounts_signing_key_current ON accounts_signing_key (algorithm) WHERE retired_at IS NULL;
