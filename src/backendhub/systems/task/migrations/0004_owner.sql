-- needs: accounts
-- undo: task
-- Whose a task is: an account's, or (null) of whoever sits at this machine.
ALTER TABLE task ADD COLUMN owner TEXT REFERENCES accounts_user (id) ON DELETE CASCADE;
-- The long text of a to-do in the plain form of `/todos`.
ALTER TABLE task ADD COLUMN details TEXT;
CREATE INDEX task_owner ON task (owner, id);
