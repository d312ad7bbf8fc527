-- Accounts hold two growing totals each; what has moved is the table of transfers, one row for both legs, so that
-- half a transfer cannot exist. A balance is `debits - credits`, positive on the debit side.
CREATE TABLE ledger_account (
  id {pk},
  book TEXT NOT NULL, -- whose accounts: money moves within one book only
  name TEXT NOT NULL,
  currency TEXT NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('debit', 'credit')), -- the side on which its balance is counted as positive
  debits BIGINT NOT NULL CHECK (debits BETWEEN 0 AND 4000000000000000000),
  credits BIGINT NOT NULL CHECK (credits BETWEEN 0 AND 4000000000000000000),
  lines BIGINT NOT NULL CHECK (lines >= 0), -- how many transfers have moved it
  max_debit BIGINT, -- how far debits may exceed credits; NULL: without limit
  max_credit BIGINT,
  moved_at TEXT NOT NULL, -- no later line of this account bears an earlier time
  closed_at TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (book, name, currency),
  CHECK (max_debit IS NULL OR debits - credits <= max_debit),
  CHECK (max_credit IS NULL OR credits - debits <= max_credit)
);

-- Immutable: triggers refuse UPDATE and DELETE. A pending transfer is resolved by a further row, once.
CREATE TABLE ledger_transfer (
  id TEXT PRIMARY KEY, -- given by the caller: the same id twice is the same transfer
  kind TEXT NOT NULL CHECK (kind IN ('transfer', 'pending', 'post', 'void')),
  debit_id BIGINT NOT NULL REFERENCES ledger_account (id),
  credit_id BIGINT NOT NULL REFERENCES ledger_account (id),
  amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 10000000000000),
  pending_id TEXT REFERENCES ledger_transfer (id), -- what a post or void resolves
  timeout_ms BIGINT CHECK (timeout_ms > 0),
  expires_at TEXT,
  code TEXT NOT NULL,
  memo TEXT NOT NULL,
  at TEXT NOT NULL,
  debit_line BIGINT, -- its number among the lines of the account, and the balance after it; NULL where nothing moved
  debit_balance BIGINT,
  credit_line BIGINT,
  credit_balance BIGINT,
  CHECK (debit_id <> credit_id),
  CHECK ((kind IN ('post', 'void')) = (pending_id IS NOT NULL)),
  CHECK (CASE WHEN kind IN ('transfer', 'post') THEN debit_line + debit_balance + credit_line + credit_balance IS NOT NULL
    ELSE coalesce(debit_line, debit_balance, credit_line, credit_balance) IS NULL END)
) {clustered};
CREATE UNIQUE INDEX ledger_transfer_resolution ON ledger_transfer (pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX ledger_transfer_debit ON ledger_transfer (debit_id, at, debit_line) WHERE debit_line IS NOT NULL;
CREATE INDEX ledger_transfer_credit ON ledger_transfer (credit_id, at, credit_line) WHERE credit_line IS NOT NULL;

-- Pending transfers that nobody has resolved. A row counts while `expires_at` is ahead; one that is over is rubbish.
CREATE TABLE ledger_pending (
  id TEXT PRIMARY KEY REFERENCES ledger_transfer (id),
  debit_id BIGINT NOT NULL,
  credit_id BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  expires_at TEXT NOT NULL
) {clustered};
CREATE INDEX ledger_pending_debit ON ledger_pending (debit_id, expires_at, amount);
CREATE INDEX ledger_pending_credit ON ledger_pending (credit_id, expires_at, amount);
CREATE INDEX ledger_pending_expiry ON ledger_pending (expires_at);
