-- needs: accounts
-- Books go with their account. No foreign key does it, because those of the terminal have an owner of ''.
CREATE FUNCTION expense_account_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM expense WHERE owner = OLD.id;
  DELETE FROM expense_budget WHERE owner = OLD.id;
  DELETE FROM expense_recur WHERE owner = OLD.id;
  DELETE FROM expense_rule WHERE owner = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER expense_account AFTER DELETE ON accounts_user
  FOR EACH ROW EXECUTE FUNCTION expense_account_gone();
