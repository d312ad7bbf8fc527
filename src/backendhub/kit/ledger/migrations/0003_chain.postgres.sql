-- Each line of an account names the line before it, and the account its last one; every 64th is marked with its time. So
-- a statement is read by walking at most 64 lines to where it begins, and a transfer writes its row and both accounts,
-- no longer an entry somewhere in each of two large indexes.
DROP TRIGGER ledger_transfer_no_change ON ledger_transfer;
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
);
CREATE UNIQUE INDEX ledger_mark_at ON ledger_mark (account_id, at, line);

CREATE TABLE ledger_leg (account_id BIGINT, line BIGINT, id TEXT, at TEXT, before TEXT, PRIMARY KEY (account_id, line));
INSERT INTO ledger_leg SELECT account_id, line, id, at, lag(id) OVER (PARTITION BY account_id ORDER BY line) FROM (
  SELECT debit_id AS account_id, debit_line AS line, id, at FROM ledger_transfer WHERE debit_line IS NOT NULL
  UNION ALL SELECT credit_id, credit_line, id, at FROM ledger_transfer WHERE credit_line IS NOT NULL) AS legs;
UPDATE ledger_transfer t SET debit_before = d.before, credit_before = c.before FROM ledger_leg d, ledger_leg c
WHERE d.account_id = t.debit_id AND d.line = t.debit_line AND c.account_id = t.credit_id AND c.line = t.credit_line;
UPDATE ledger_account a SET last_id = l.id FROM ledger_leg l WHERE l.account_id = a.id AND l.line = a.lines;
INSERT INTO ledger_mark SELECT account_id, line, at, id FROM ledger_leg WHERE line % 64 = 0;
DROP TABLE ledger_leg;

-- Balances follow a transfer whoever inserts it, and only one that says the next line, the line before and the right
-- balance: `lines` and thereby the whole statement fails (NOT NULL) for any other.
CREATE OR REPLACE FUNCTION ledger_settle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.debit_line IS NOT NULL THEN
    UPDATE ledger_account SET debits = debits + NEW.amount, moved_at = NEW.at, last_id = NEW.id,
      lines = CASE WHEN lines = NEW.debit_line - 1 AND last_id IS NOT DISTINCT FROM NEW.debit_before
        AND debits - credits + NEW.amount = NEW.debit_balance THEN NEW.debit_line END
    WHERE id = NEW.debit_id;
    UPDATE ledger_account SET credits = credits + NEW.amount, moved_at = NEW.at, last_id = NEW.id,
      lines = CASE WHEN lines = NEW.credit_line - 1 AND last_id IS NOT DISTINCT FROM NEW.credit_before
        AND debits - credits - NEW.amount = NEW.credit_balance THEN NEW.credit_line END
    WHERE id = NEW.credit_id;
    IF NEW.debit_line % 64 = 0 THEN
      INSERT INTO ledger_mark (account_id, line, at, id) VALUES (NEW.debit_id, NEW.debit_line, NEW.at, NEW.id);
    END IF;
    IF NEW.credit_line % 64 = 0 THEN
      INSERT INTO ledger_mark (account_id, line, at, id) VALUES (NEW.credit_id, NEW.credit_line, NEW.at, NEW.id);
    END IF;
  ELSIF NEW.kind = 'pending' THEN
    INSERT INTO ledger_pending (id, debit_id, credit_id, amount, expires_at)
    VALUES (NEW.id, NEW.debit_id, NEW.credit_id, NEW.amount, coalesce(NEW.expires_at, '9999-12-31T23:59:59.999Z'));
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER ledger_transfer_no_change BEFORE UPDATE OR DELETE ON ledger_transfer
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a transfer is immutable');
