-- needs: accounts
-- What has an owner belongs to an account that is there, also for a write that began before the account was removed:
-- the lock is that of a foreign key, and whoever removes the account waits for it.
DELETE FROM expense WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_budget WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_recur WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_rule WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
CREATE FUNCTION expense_owned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM accounts_user WHERE id = NEW.owner FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER expense_owner BEFORE INSERT ON expense
  FOR EACH ROW WHEN (NEW.owner <> '') EXECUTE FUNCTION expense_owned();
CREATE TRIGGER expense_budget_owner BEFORE INSERT ON expense_budget
  FOR EACH ROW WHEN (NEW.owner <> '') EXECUTE FUNCTION expense_owned();
CREATE TRIGGER expense_recur_owner BEFORE INSERT ON expense_recur
  FOR EACH ROW WHEN (NEW.owner <> '') EXECUTE FUNCTION expense_owned();
CREATE TRIGGER expense_rule_owner BEFORE INSERT ON expense_rule
  FOR EACH ROW WHEN (NEW.owner <> '') EXECUTE FUNCTION expense_owned();
