-- needs: jobs
-- A test clock: the present of whatever belongs to it. `target` is where it is on its way to; NULL: it stands still.
CREATE TABLE clocks_clock (
  id TEXT PRIMARY KEY,
  at TEXT NOT NULL,
  target TEXT,
  CHECK (target IS NULL OR target >= at)
);

-- What is due on a clock: jobs that wait for it and not for the wall.
CREATE TABLE clocks_due (
  id {pk},
  clock_id TEXT NOT NULL REFERENCES clocks_clock (id) ON DELETE CASCADE,
  at TEXT NOT NULL,
  name TEXT NOT NULL,
  unique_key TEXT,
  payload TEXT NOT NULL,
  UNIQUE (clock_id, name, unique_key)
);
CREATE INDEX clocks_due_next ON clocks_due (clock_id, at, id);
