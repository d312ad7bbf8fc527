ALTER TABLE accounts_user ADD COLUMN invited_at TEXT;
ALTER TABLE accounts_user ADD COLUMN deleted_at TEXT;
-- A key that somebody else has too (it came from another product): what they sign with it is taken as theirs.
ALTER TABLE accounts_signing_key ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;

-- Codes and links that are sent by mail or text message: one for each account and purpose, the newest replaces the others.
CREATE TABLE accounts_once (
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  purpose TEXT NOT NULL,
  target TEXT NOT NULL, -- the address or number it was sent to
  token_hash TEXT NOT NULL UNIQUE, -- of what stands in the link
  code_hash TEXT NOT NULL, -- of the digits, with the account and the purpose
  data TEXT NOT NULL, -- JSON object
  attempts BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (user_id, purpose)
);
CREATE INDEX accounts_once_target ON accounts_once (purpose, target);

-- Second factors.
CREATE TABLE accounts_factor (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('totp', 'phone', 'webauthn')),
  name TEXT,
  phone TEXT,
  secret TEXT, -- of totp, base 32
  credential_id TEXT, -- of webauthn
  verified BOOLEAN NOT NULL,
  last_step BIGINT NOT NULL, -- the time step of the last code that was taken: none is taken twice
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  challenged_at TEXT
);
CREATE INDEX accounts_factor_user ON accounts_factor (user_id, id);
CREATE UNIQUE INDEX accounts_factor_name ON accounts_factor (user_id, name) WHERE name IS NOT NULL;

-- Questions that wait for their one answer: to a factor, or to whoever holds a passkey.
CREATE TABLE accounts_challenge (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  user_id TEXT REFERENCES accounts_user (id) ON DELETE CASCADE,
  factor_id TEXT REFERENCES accounts_factor (id) ON DELETE CASCADE,
  data TEXT NOT NULL, -- what the answer is compared with: a hash of digits, or random bytes
  ip TEXT,
  attempts BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
);
CREATE INDEX accounts_challenge_expires ON accounts_challenge (expires_at);

-- Public keys of authenticators (WebAuthn), for signing in without a password and as second factors.
CREATE TABLE accounts_passkey (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  credential_id TEXT NOT NULL UNIQUE, -- base64url
  public_key TEXT NOT NULL, -- COSE, base64url
  sign_count BIGINT NOT NULL,
  name TEXT NOT NULL,
  aaguid TEXT,
  transports TEXT NOT NULL, -- JSON list
  backed_up BOOLEAN NOT NULL,
  factor BOOLEAN NOT NULL, -- only a second factor
  created_at TEXT NOT NULL,
  last_used_at TEXT
);
CREATE INDEX accounts_passkey_user ON accounts_passkey (user_id, id);
