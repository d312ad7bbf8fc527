-- needs: jobs
-- A mail as it leaves: `raw` is the whole message (RFC 5322, ASCII), `recipients` the envelope, which also has the Bcc.
CREATE TABLE mail_message (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'kept', 'failed')),
  sender TEXT NOT NULL,
  recipients TEXT NOT NULL,
  shown_to TEXT NOT NULL,
  subject TEXT NOT NULL,
  raw TEXT NOT NULL,
  unique_key TEXT UNIQUE,
  created_at TEXT NOT NULL,
  sent_at TEXT,
  error TEXT
);
CREATE INDEX mail_message_created ON mail_message (created_at);

-- When somebody was last written to about something.
CREATE TABLE mail_throttle (
  recipient TEXT NOT NULL,
  about TEXT NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (recipient, about)
);
CREATE INDEX mail_throttle_last ON mail_throttle (last_at);
