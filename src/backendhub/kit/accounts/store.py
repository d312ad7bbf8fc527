"""Every SQL statement of accounts, sessions, tokens and keys."""

from __future__ import annotations

from backendhub.kit.db import Db, columns
from backendhub.kit.sealing import Holder

from .models import ApiKey, Challenge, Factor, Once, Passkey, Session, SigningKey, User

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

# What belongs to one account and must happen one after the other.
LOCK_USER = {
    "sqlite": "SELECT id FROM accounts_user WHERE id = :id",
    "postgres": "SELECT id FROM accounts_user WHERE id = :id FOR UPDATE",
}

HASH = "SELECT hash FROM accounts_password WHERE user_id = :id"
# Who signs in by a password and who changes it take turns: else a session could begin with the old one after all had ended.
HASH_HELD = {"sqlite": HASH, "postgres": f"{HASH} FOR SHARE"}
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
END_LESSER = (
    "UPDATE accounts_session SET ended_at = :now, ended_by = 'aal' "
    "WHERE user_id = :user_id AND id <> :keep AND aal <> 'aal2' AND ended_at IS NULL"
)
LOWER = "UPDATE accounts_session SET aal = 'aal1' WHERE user_id = :user_id AND aal <> 'aal1'"
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
DROP_FAMILY = "DELETE FROM accounts_refresh WHERE session_id = :session_id"

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

IMPORT_KEY = """
INSERT INTO accounts_signing_key (id, algorithm, private, created_at, retired_at, expires_at, shared)
VALUES (:id, :algorithm, :private, :now, NULL, NULL, TRUE) ON CONFLICT DO NOTHING"""
IS_SHARED = "SELECT 1 FROM accounts_signing_key WHERE id = :id AND shared"

ONCE = columns(Once)
# Nothing comes back where the last one was sent too recently.
SEND_ONCE = f"""
INSERT INTO accounts_once (user_id, purpose, target, token_hash, code_hash, data, attempts, created_at, expires_at)
VALUES (:user_id, :purpose, :target, :token_hash, :code_hash, :data, 0, :now, :expires_at)
ON CONFLICT (user_id, purpose) DO UPDATE SET target = excluded.target, token_hash = excluded.token_hash,
  code_hash = excluded.code_hash, data = excluded.data, attempts = 0, created_at = excluded.created_at,
  expires_at = excluded.expires_at
WHERE accounts_once.created_at <= :before
RETURNING {ONCE}"""
ONCE_OF_USER = f"SELECT {ONCE} FROM accounts_once WHERE user_id = :user_id ORDER BY purpose"
ONCE_OF_TARGET = (
    f"SELECT {ONCE} FROM accounts_once WHERE purpose = :purpose AND target = :target ORDER BY created_at DESC"
)
USE_TOKEN = f"DELETE FROM accounts_once WHERE token_hash = :hash AND purpose = :purpose AND expires_at > :now RETURNING {ONCE}"
USE_CODE = f"""
DELETE FROM accounts_once
WHERE user_id = :user_id AND purpose = :purpose AND code_hash = :hash AND expires_at > :now AND attempts < :attempts
RETURNING {ONCE}"""
WRONG_CODE = (
    "UPDATE accounts_once SET attempts = attempts + 1 WHERE user_id = :user_id AND purpose = :purpose"
)
DROP_ONCE = "DELETE FROM accounts_once WHERE user_id = :user_id AND purpose = :purpose"

FACTOR = columns(Factor)
FACTORS = f"SELECT {FACTOR} FROM accounts_factor WHERE user_id = :user_id ORDER BY id"
FACTOR_BY_ID = f"SELECT {FACTOR} FROM accounts_factor WHERE id = :id AND user_id = :user_id"
FACTOR_SECRET = "SELECT secret FROM accounts_factor WHERE id = :id"
SECRETS = """
SELECT 'key' AS kind, id, private AS secret FROM accounts_signing_key
UNION ALL SELECT 'factor', id, secret FROM accounts_factor WHERE secret IS NOT NULL"""
RESEAL_KEY = "UPDATE accounts_signing_key SET private = :secret WHERE id = :id AND private = :old"
RESEAL_FACTOR = "UPDATE accounts_factor SET secret = :secret WHERE id = :id AND secret = :old"
HOLDER = Holder("accounts", SECRETS, {"key": RESEAL_KEY, "factor": RESEAL_FACTOR})
INSERT_FACTOR = f"""
INSERT INTO accounts_factor (id, user_id, kind, name, phone, secret, credential_id, verified, last_step, created_at,
  updated_at, challenged_at)
VALUES (:id, :user_id, :kind, :name, :phone, :secret, NULL, FALSE, 0, :now, :now, NULL)
ON CONFLICT DO NOTHING RETURNING {FACTOR}"""
VERIFY_FACTOR = (
    "UPDATE accounts_factor SET verified = TRUE, updated_at = :now WHERE id = :id AND NOT verified"
)
USE_STEP = "UPDATE accounts_factor SET last_step = :step WHERE id = :id AND last_step < :step"
CHALLENGED = "UPDATE accounts_factor SET challenged_at = :now WHERE id = :id"
NAME_FACTOR = f"UPDATE accounts_factor SET name = :name, phone = :phone, updated_at = :now WHERE id = :id RETURNING {FACTOR}"
FACTOR_CREDENTIAL = "UPDATE accounts_factor SET credential_id = :credential WHERE id = :id"
CREDENTIAL_OF = "SELECT credential_id FROM accounts_factor WHERE id = :id"
DROP_FACTOR = "DELETE FROM accounts_factor WHERE id = :id"
DROP_UNVERIFIED = (
    "DELETE FROM accounts_factor WHERE user_id = :user_id AND NOT verified AND kind = :kind AND id <> :keep"
)
SWEEP_FACTORS = (
    "DELETE FROM accounts_factor WHERE user_id = :user_id AND NOT verified AND created_at < :before"
)

CHALLENGE = columns(Challenge)
INSERT_CHALLENGE = f"""
INSERT INTO accounts_challenge (id, kind, user_id, factor_id, data, ip, attempts, created_at, expires_at)
VALUES (:id, :kind, :user_id, :factor_id, :data, :ip, 0, :now, :expires_at) RETURNING {CHALLENGE}"""
CHALLENGE_BY_ID = f"SELECT {CHALLENGE} FROM accounts_challenge WHERE id = :id"
USE_CHALLENGE = "DELETE FROM accounts_challenge WHERE id = :id"
WRONG_ANSWER = "UPDATE accounts_challenge SET attempts = attempts + 1 WHERE id = :id"
SWEEP_CHALLENGES = "DELETE FROM accounts_challenge WHERE expires_at < :before"

PASSKEY = columns(Passkey)
PASSKEYS = f"SELECT {PASSKEY} FROM accounts_passkey WHERE user_id = :user_id AND NOT factor ORDER BY id"
CREDENTIALS = f"SELECT {PASSKEY} FROM accounts_passkey WHERE user_id = :user_id ORDER BY id LIMIT 100"
PASSKEY_BY_CREDENTIAL = f"SELECT {PASSKEY} FROM accounts_passkey WHERE credential_id = :credential"
INSERT_PASSKEY = f"""
INSERT INTO accounts_passkey (id, user_id, credential_id, public_key, sign_count, name, aaguid, transports, backed_up,
  factor, created_at, last_used_at)
VALUES (:id, :user_id, :credential_id, :public_key, :sign_count, :name, :aaguid, :transports, :backed_up, :factor, :now,
  NULL)
ON CONFLICT DO NOTHING RETURNING {PASSKEY}"""
# An authenticator that counts never counts backwards: two answers with one count come from a copy (WebAuthn §6.1.1).
PASSKEY_USED = """
UPDATE accounts_passkey SET sign_count = :count, backed_up = :backed_up, last_used_at = :now
WHERE id = :id AND (sign_count < :count OR (sign_count = 0 AND :count = 0))"""
NAME_PASSKEY = (
    f"UPDATE accounts_passkey SET name = :name WHERE id = :id AND user_id = :user_id RETURNING {PASSKEY}"
)
DROP_PASSKEY = "DELETE FROM accounts_passkey WHERE id = :id AND user_id = :user_id AND NOT factor"
DROP_CREDENTIAL = "DELETE FROM accounts_passkey WHERE credential_id = :credential"

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


def holding(db: Db) -> str:
    """Of connections that stay open: which still hold. Without a session (an API key) the account alone says."""
    return f"""
SELECT u.id, s.id FROM accounts_user u
LEFT JOIN accounts_session s ON s.user_id = u.id AND s.id {db.among("sessions", "text")} AND {_ALIVE}
WHERE u.id {db.among("users", "text")} AND {_USABLE}"""
