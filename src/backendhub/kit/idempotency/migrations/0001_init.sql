-- An answer that is kept for whoever asks the same again. The row is written in the transaction of the effect itself:
-- it is there exactly if the effect is. `status` is NULL only inside that transaction.
CREATE TABLE idempotency_answer (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL,
  status BIGINT,
  headers TEXT,
  media TEXT,
  body {bytes},
  expires_at TEXT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_answer_expires ON idempotency_answer (expires_at);
