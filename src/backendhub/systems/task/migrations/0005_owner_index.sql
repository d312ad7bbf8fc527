-- By owner, with none as the empty text: what the lists and counts of one owner ask for.
DROP INDEX task_owner;
CREATE INDEX task_owner ON task (coalesce(owner, ''), id);
CREATE INDEX task_owner_user ON task (owner) WHERE owner IS NOT NULL;
