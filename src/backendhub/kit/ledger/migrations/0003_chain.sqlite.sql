-- Each line of an account names the line before it, and the account its last one; every 64th is marked with its time. So
-- a statement is read by walking at most 64 lines to where it begins, and a transfer writes its row and both accounts,
-- no longer an entry somewhere in each of two large indexes.
DROP TRIGGER ledger_transfer_settle;
DROP TRIGGER ledger_transfer_no_update;
DROP INDEX ledger_transfer_debit;
DROP INDEX ledger_transfer_credit;
ALTER TABLE ledger_account ADD COLUMN last_id TEXT;
ALTER TABLE ledger_transfer ADD COLUMN debit_before TEXT;
ALTER TABLE ledger_transfer ADD COLUMN credit_before TEXT;
CREATE TABLE ledger_mark (
  account_id BIGINT NOT NULL REFERENCES ledger_account (id),
  line BIGINT NOT NULL,
  at TEXT NOT NULL,
  id TEXT NOT NULL REFERENCES ledger_transfer (id),
  PRIMARY KEY (account_id, line)
) {clustered};
CREATE UNIQUE INDEX ledger_mark_at ON ledger_mark (account_id, at, line);

CREATE TABLE ledger_leg (account_id BIGINT, line BIGINT, id TEXT, at TEXT, before TEXT, PRIMARY KEY (account_id, line));
INSERT INTO ledger_leg SELECT account_id, line, id, at, lag(id) OVER (PARTITION BY account_id ORDER BY line) FROM (
  SELECT debit_id AS account_id, debit_line AS line, id, at FROM ledger_transfer WHERE debit_line IS NOT NULL
  UNION ALL SELECT credit_id, credit_line, id, at FROM ledger_transfer WHERE credit_line IS NOT NULL) AS legs;
UPDATE ledger_transfer SET
  debit_before = (SELECT before FROM ledger_leg l WHERE l.account_id = debit_id AND l.line = debit_line),
  credit_before = (SELECT before FROM ledger_leg l WHERE l.account_id = credit_id AND l.line = credit_line)
WHERE debit_line IS NOT NULL;
UPDATE ledger_account SET last_id = (SELECT l.id FROM ledger_leg l WHERE l.account_id = ledger_account.id AND l.line = lines);
INSERT INTO ledger_mark SELECT account_id, line, at, id FROM ledger_leg WHERE line % 64 = 0;
DROP TABLE ledger_leg;

-- Balances follow a transfer whoever inserts it, and only one that says the next line, the line before and the right
-- balance: `lines` and thereby the whole statement fails (NOT NULL) for any other.
CREATE TRIGGER ledger_transfer_settle AFTER INSERT ON ledger_transfer WHEN NEW.debit_line IS NOT NULL BEGIN
  UPDATE ledger_account SET debits = debits + NEW.amount, moved_at = NEW.at, last_id = NEW.id,
    lines = CASE WHEN lines = NEW.debit_line - 1 AND last_id IS NEW.debit_before
      AND debits - credits + NEW.amount = NEW.debit_balance THEN NEW.debit_line END
  WHERE id = NEW.debit_id;
  UPDATE ledger_account SET credits = credits + NEW.amount, moved_at = NEW.at, last_id = NEW.id,
    lines = CASE WHEN lines = NEW.credit_line - 1 AND last_id IS NEW.credit_before
      AND debits - credits - NEW.amount = NEW.credit_balance THEN NEW.credit_line END
  WHERE id = NEW.credit_id;
END;
CREATE TRIGGER ledger_transfer_mark_debit AFTER INSERT ON ledger_transfer WHEN NEW.debit_line % 64 = 0 BEGIN
  INSERT INTO ledger_mark (account_id, line, at, id) VALUES (NEW.debit_id, NEW.debit_line, NEW.at, NEW.id);
END;
CREATE TRIGGER ledger_transfer_mark_credit AFTER INSERT ON ledger_transfer WHEN NEW.credit_line % 64 = 0 BEGIN
  INSERT INTO ledger_mark (account_id, line, at, id) VALUES (NEW.credit_id, NEW.credit_line, NEW.at, NEW.id);
END;
CREATE TRIGGER ledger_transfer_no_update BEFORE UPDATE ON ledger_transfer BEGIN
  SELECT RAISE(ABORT, 'a transfer is immutable');
END;
