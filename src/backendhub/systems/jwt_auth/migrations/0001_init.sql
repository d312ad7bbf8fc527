-- needs: accounts mail
-- Flows with a code challenge (PKCE, RFC 7636): begun where a mail is asked for, ended where its link was followed.
CREATE TABLE jwt_auth_flow (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  purpose TEXT NOT NULL,
  challenge TEXT NOT NULL,
  challenge_method TEXT NOT NULL CHECK (challenge_method IN ('s256', 'plain')),
  code_hash TEXT UNIQUE, -- of the code that the link's redirect carries
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
);
CREATE INDEX jwt_auth_flow_user ON jwt_auth_flow (user_id, purpose, created_at);
CREATE INDEX jwt_auth_flow_expires ON jwt_auth_flow (expires_at);

-- Text messages to phones: written in the commit that asks for them. Mail is in the outbox of kit/mail.
CREATE TABLE jwt_auth_message (
  id TEXT PRIMARY KEY,
  recipient TEXT NOT NULL,
  purpose TEXT NOT NULL,
  data TEXT NOT NULL, -- JSON object
  created_at TEXT NOT NULL
);
CREATE INDEX jwt_auth_message_recipient ON jwt_auth_message (recipient, id);
