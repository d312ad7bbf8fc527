"""Every SQL statement of accounts, sessions, tokens and keys."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import ApiKey, Session, SigningKey, User

USER = columns(User)
BY_ID = f"SELECT {USER} FROM accounts_user WHERE id = :id"
BY_EMAIL = f"SELECT {USER} FROM accounts_user WHERE email_key = :key"
BY_USERNAME = f"SELECT {USER} FROM accounts_user WHERE username_key = :key"
BY_PHONE = f"SELECT {USER} FROM accounts_user WHERE phone = :key"
COUNT = "SELECT count(*) FROM accounts_user"
# Nothing comes back where a unique column is taken: an error would end a PostgreSQL transaction.
INSERT = f"""
INSERT INTO accounts_user (id, email, email_key, username, username_key, phone, name, roles, status, banned_until,
  anonymous, metadata, app_metadata, email_confirmed_at, phone_confirmed_at, last_sign_in_at, created_at, updated_at,
  revision)
VALUES (:id, :email, :email_key, :username, :username_key, :phone, :name, :roles, 'active', NULL, :anonymous, :metadata,
  :app_metadata, :email_confirmed_at, :phone_confirmed_at, NULL, :now, :now, 1)
ON CONFLICT DO NOTHING RETURNING {USER}"""
# Which of the names of an account another one has.
TAKEN = """
SELECT CASE WHEN email_key = :email_key THEN 'email' WHEN username_key = :username_key THEN 'username' ELSE 'phone' END
FROM accounts_user
WHERE id <> :id AND (email_key = :email_key OR username_key = :username_key OR phone = :phone) LIMIT 1"""
DELETE = "DELETE FROM accounts_user WHERE id = :id"
SIGNED_IN = "UPDATE accounts_user SET last_sign_in_at = :now WHERE id = :id"
ADMINS = (
    "SELECT count(*) FROM accounts_user WHERE roles LIKE '%\"admin\"%' AND status = 'active' AND id <> :id"
)
# Those who change who is an administrator take turns, so that two cannot each remove the other.
ONE_AT_A_TIME = {
    "sqlite": "SELECT 1",
    "postgres": "SELECT CAST(pg_advisory_xact_lock(7364871) AS text)",
}

HASH = "SELECT hash FROM accounts_password WHERE user_id = :id"
SET_HASH = """
INSERT INTO accounts_password (user_id, hash, changed_at) VALUES (:id, :hash, :now)
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at"""
REHASH = "UPDATE accounts_password SET hash = :new WHERE user_id = :id AND hash = :old"
CLEAR_HASH = "DELETE FROM accounts_password WHERE user_id = :id"

SESSION = columns(Session)
SESSION_BY_ID = f"SELECT {SESSION} FROM accounts_session WHERE id = :id"
SESSIONS = (
    f"SELECT {SESSION} FROM accounts_session "
    "WHERE user_id = :user_id AND ended_at IS NULL AND idle_until > :now ORDER BY id DESC LIMIT 200"
)
INSERT_SESSION = f"""
INSERT INTO accounts_session (id, user_id, token_hash, scopes, aal, methods, user_agent, ip, created_at, seen_at, idle_s,
  idle_until, expires_at, ended_at, ended_by)
VALUES (:id, :user_id, :token_hash, :scopes, :aal, :methods, :user_agent, :ip, :now, :now, :idle_s, :idle_until,
  :expires_at, NULL, NULL)
RETURNING {SESSION}"""
END_SESSION = (
    "UPDATE accounts_session SET ended_at = :now, ended_by = :by WHERE id = :id AND ended_at IS NULL"
)
END_SESSIONS = (
    "UPDATE accounts_session SET ended_at = :now, ended_by = :by "
    "WHERE user_id = :user_id AND id <> :keep AND ended_at IS NULL"
)
SEEN = (
    "UPDATE accounts_session SET seen_at = :now, idle_until = :idle_until WHERE id = :id AND ended_at IS NULL"
)
RAISE = f"UPDATE accounts_session SET aal = :aal, methods = :methods WHERE id = :id RETURNING {SESSION}"
REPLACE_TOKEN = "UPDATE accounts_session SET token_hash = :new WHERE id = :id AND ended_at IS NULL"
SWEEP_SESSIONS = "DELETE FROM accounts_session WHERE expires_at < :before OR ended_at < :before"

REFRESH = "SELECT session_id, parent_hash, nonce, used_at FROM accounts_refresh WHERE hash = :hash"
INSERT_REFRESH = """
INSERT INTO accounts_refresh (hash, session_id, parent_hash, nonce, created_at, used_at)
VALUES (:hash, :session_id, :parent, NULL, :now, NULL)"""
USE_REFRESH = (
    "UPDATE accounts_refresh SET used_at = :now, nonce = :nonce WHERE hash = :hash AND used_at IS NULL"
)
FORGET_NONCE = "UPDATE accounts_refresh SET nonce = NULL WHERE hash = :hash"
FAMILY = "SELECT count(*) FROM accounts_refresh WHERE session_id = :session_id"

API_KEY = columns(ApiKey)
API_KEY_BY_ID = f"SELECT {API_KEY} FROM accounts_api_key WHERE id = :id"
API_KEYS = f"SELECT {API_KEY} FROM accounts_api_key ORDER BY id LIMIT 1000"
API_KEYS_OF = f"SELECT {API_KEY} FROM accounts_api_key WHERE user_id = :user_id ORDER BY id LIMIT 1000"
INSERT_API_KEY = f"""
INSERT INTO accounts_api_key (id, user_id, name, start, hash, scopes, created_at, expires_at, last_used_at, revoked_at)
VALUES (:id, :user_id, :name, :start, :hash, :scopes, :now, :expires_at, NULL, NULL)
RETURNING {API_KEY}"""
REVOKE_API_KEY = "UPDATE accounts_api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"
API_KEY_USED = "UPDATE accounts_api_key SET last_used_at = :now WHERE id = :id"

SIGNING_KEY = columns(SigningKey)
SIGNING_KEYS = f"SELECT {SIGNING_KEY} FROM accounts_signing_key ORDER BY created_at DESC"
# Those that verify: the current ones, and retired ones until they expire.
VERIFYING = """
SELECT id, algorithm, private FROM accounts_signing_key
WHERE retired_at IS NULL OR expires_at > :now ORDER BY created_at DESC"""
CURRENT_KEY = (
    "SELECT id, private FROM accounts_signing_key WHERE algorithm = :algorithm AND retired_at IS NULL"
)
KEY_BY_ID = "SELECT algorithm, private FROM accounts_signing_key WHERE id = :id AND (retired_at IS NULL OR expires_at > :now)"
INSERT_KEY = """
INSERT INTO accounts_signing_key (id, algorithm, private, created_at, retired_at, expires_at)
VALUES (:id, :algorithm, :private, :now, NULL, NULL) ON CONFLICT DO NOTHING"""
RETIRE_KEYS = "UPDATE accounts_signing_key SET retired_at = :now, expires_at = :until WHERE algorithm = :algorithm AND retired_at IS NULL"
DROP_KEY = "DELETE FROM accounts_signing_key WHERE id = :id"
SWEEP_KEYS = "DELETE FROM accounts_signing_key WHERE expires_at < :now"

# What every request with a credential asks: who it is now, whatever the credential said when it was made.
_WHO = "u.id, coalesce(u.username, u.name, u.email, u.phone, u.id), u.roles"
_USABLE = "u.status = 'active' AND (u.banned_until IS NULL OR u.banned_until <= :now)"
_ALIVE = "s.ended_at IS NULL AND s.idle_until > :now"
BY_TOKEN = f"""
SELECT {_WHO} FROM accounts_session s JOIN accounts_user u ON u.id = s.user_id
JOIN accounts_signing_key k ON k.id = :kid
WHERE s.id = :sid AND {_ALIVE} AND {_USABLE} AND (k.retired_at IS NULL OR k.expires_at > :now)"""
# Signed with a shared secret, which is a setting and no row.
BY_SHARED_TOKEN = f"""
SELECT {_WHO} FROM accounts_session s JOIN accounts_user u ON u.id = s.user_id
WHERE s.id = :sid AND {_ALIVE} AND {_USABLE}"""
BY_COOKIE = f"""
SELECT {_WHO}, s.scopes, s.id, s.seen_at, s.idle_s, s.expires_at
FROM accounts_session s JOIN accounts_user u ON u.id = s.user_id
WHERE s.token_hash = :hash AND {_ALIVE} AND {_USABLE}"""
BY_API_KEY = f"""
SELECT {_WHO}, k.scopes, k.id, k.last_used_at
FROM accounts_api_key k JOIN accounts_user u ON u.id = k.user_id
WHERE k.hash = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now) AND {_USABLE}"""
