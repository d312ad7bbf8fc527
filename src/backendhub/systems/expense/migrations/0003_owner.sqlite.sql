-- needs: accounts
-- What has an owner belongs to an account that is there, also for a write that began before the account was removed.
DELETE FROM expense WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_budget WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_recur WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
DELETE FROM expense_rule WHERE owner <> '' AND owner NOT IN (SELECT id FROM accounts_user);
CREATE TRIGGER expense_owner BEFORE INSERT ON expense
WHEN NEW.owner <> '' AND NOT EXISTS (SELECT 1 FROM accounts_user WHERE id = NEW.owner)
BEGIN SELECT raise(ABORT, 'there is no such account'); END;
CREATE TRIGGER expense_budget_owner BEFORE INSERT ON expense_budget
WHEN NEW.owner <> '' AND NOT EXISTS (SELECT 1 FROM accounts_user WHERE id = NEW.owner)
BEGIN SELECT raise(ABORT, 'there is no such account'); END;
CREATE TRIGGER expense_recur_owner BEFORE INSERT ON expense_recur
WHEN NEW.owner <> '' AND NOT EXISTS (SELECT 1 FROM accounts_user WHERE id = NEW.owner)
BEGIN SELECT raise(ABORT, 'there is no such account'); END;
CREATE TRIGGER expense_rule_owner BEFORE INSERT ON expense_rule
WHEN NEW.owner <> '' AND NOT EXISTS (SELECT 1 FROM accounts_user WHERE id = NEW.owner)
BEGIN SELECT raise(ABORT, 'there is no such account'); END;
