-- What tickets are signed with can be changed; codes of the key before are good until then.
ALTER TABLE cinema_key ADD COLUMN until TEXT;
-- For those who tidy places that were held.
CREATE INDEX cinema_places_held ON cinema_places (id) WHERE status = 'reservedByToken';
-- The workspace that a company began with: its secret key opens them all, any other its own alone.
ALTER TABLE cinema_workspace ADD COLUMN is_first BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE cinema_workspace SET is_first = TRUE WHERE id IN (SELECT min(id) FROM cinema_workspace GROUP BY company);
