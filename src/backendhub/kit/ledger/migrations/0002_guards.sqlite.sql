-- Balances follow a transfer whoever inserts it, and only one that says the next line and the right balance: `lines`
-- and thereby the whole statement fails (NOT NULL) for any other.
CREATE TRIGGER ledger_transfer_settle AFTER INSERT ON ledger_transfer WHEN NEW.debit_line IS NOT NULL BEGIN
  UPDATE ledger_account SET debits = debits + NEW.amount, moved_at = NEW.at,
    lines = CASE WHEN lines = NEW.debit_line - 1 AND debits - credits + NEW.amount = NEW.debit_balance THEN NEW.debit_line END
  WHERE id = NEW.debit_id;
  UPDATE ledger_account SET credits = credits + NEW.amount, moved_at = NEW.at,
    lines = CASE WHEN lines = NEW.credit_line - 1 AND debits - credits - NEW.amount = NEW.credit_balance THEN NEW.credit_line END
  WHERE id = NEW.credit_id;
END;
CREATE TRIGGER ledger_transfer_reserve AFTER INSERT ON ledger_transfer WHEN NEW.kind = 'pending' BEGIN
  INSERT INTO ledger_pending (id, debit_id, credit_id, amount, expires_at)
  VALUES (NEW.id, NEW.debit_id, NEW.credit_id, NEW.amount, coalesce(NEW.expires_at, '9999-12-31T23:59:59.999Z'));
END;

CREATE TRIGGER ledger_transfer_no_update BEFORE UPDATE ON ledger_transfer BEGIN
  SELECT RAISE(ABORT, 'a transfer is immutable');
END;
CREATE TRIGGER ledger_transfer_no_delete BEFORE DELETE ON ledger_transfer BEGIN
  SELECT RAISE(ABORT, 'a transfer is immutable');
END;
CREATE TRIGGER ledger_account_no_delete BEFORE DELETE ON ledger_account BEGIN
  SELECT RAISE(ABORT, 'an account is closed, never deleted');
END;
CREATE TRIGGER ledger_account_fixed BEFORE UPDATE OF book, name, currency, side ON ledger_account BEGIN
  SELECT RAISE(ABORT, 'an account keeps its book, name, currency and side');
END;
