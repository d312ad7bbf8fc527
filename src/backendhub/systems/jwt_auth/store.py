"""Every SQL statement of flows and text messages."""

from __future__ import annotations

from backendhub.kit.accounts import User
from backendhub.kit.db import columns

from .models import Flow

FLOW = columns(Flow)
INSERT_FLOW = """
INSERT INTO jwt_auth_flow (id, user_id, purpose, challenge, challenge_method, code_hash, created_at, expires_at)
VALUES (:id, :user_id, :purpose, :challenge, :method, NULL, :now, :expires_at)"""
# The newest flow of an account for a purpose that has no code yet.
WAITING = f"""
SELECT {FLOW} FROM jwt_auth_flow
WHERE user_id = :user_id AND purpose = :purpose AND code_hash IS NULL AND expires_at > :now
ORDER BY created_at DESC LIMIT 1"""
GIVE_CODE = "UPDATE jwt_auth_flow SET code_hash = :hash WHERE id = :id AND code_hash IS NULL"
FLOW_BY_CODE = f"SELECT {FLOW} FROM jwt_auth_flow WHERE code_hash = :hash"
USE_FLOW = "DELETE FROM jwt_auth_flow WHERE id = :id"
SWEEP_FLOWS = "DELETE FROM jwt_auth_flow WHERE expires_at < :before"

INSERT_MESSAGE = """
INSERT INTO jwt_auth_message (id, recipient, purpose, data, created_at)
VALUES (:id, :recipient, :purpose, :data, :now)"""
MESSAGES = "SELECT purpose, data FROM jwt_auth_message WHERE recipient = :recipient ORDER BY id DESC LIMIT 20"

USER = columns(User)
COUNT = "SELECT count(*) FROM accounts_user WHERE deleted_at IS NULL"
# The wire counts pages. Only the index of ids is walked to the page's first row.
PAGE = f"""
SELECT {USER} FROM accounts_user
WHERE deleted_at IS NULL
  AND id <= (SELECT id FROM accounts_user WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET :skip)
ORDER BY id DESC LIMIT :limit"""
