-- Balances follow a transfer whoever inserts it, and only one that says the next line and the right balance: `lines`
-- and thereby the whole statement fails (NOT NULL) for any other.
CREATE FUNCTION ledger_settle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.debit_line IS NOT NULL THEN
    UPDATE ledger_account SET debits = debits + NEW.amount, moved_at = NEW.at,
      lines = CASE WHEN lines = NEW.debit_line - 1 AND debits - credits + NEW.amount = NEW.debit_balance THEN NEW.debit_line END
    WHERE id = NEW.debit_id;
    UPDATE ledger_account SET credits = credits + NEW.amount, moved_at = NEW.at,
      lines = CASE WHEN lines = NEW.credit_line - 1 AND debits - credits - NEW.amount = NEW.credit_balance THEN NEW.credit_line END
    WHERE id = NEW.credit_id;
  ELSIF NEW.kind = 'pending' THEN
    INSERT INTO ledger_pending (id, debit_id, credit_id, amount, expires_at)
    VALUES (NEW.id, NEW.debit_id, NEW.credit_id, NEW.amount, coalesce(NEW.expires_at, '9999-12-31T23:59:59.999Z'));
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER ledger_transfer_settle AFTER INSERT ON ledger_transfer FOR EACH ROW EXECUTE FUNCTION ledger_settle();

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER ledger_transfer_no_change BEFORE UPDATE OR DELETE ON ledger_transfer
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a transfer is immutable');
CREATE TRIGGER ledger_transfer_no_truncate BEFORE TRUNCATE ON ledger_transfer
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('a transfer is immutable');
CREATE TRIGGER ledger_account_no_delete BEFORE DELETE ON ledger_account
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse('an account is closed, never deleted');
CREATE TRIGGER ledger_account_fixed BEFORE UPDATE OF book, name, currency, side ON ledger_account
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse('an account keeps its book, name, currency and side');
