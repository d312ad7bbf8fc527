-- A user's own unit: one of it is num/den × pi^pi coherent SI units of its category.
CREATE TABLE convert_unit (
  name TEXT PRIMARY KEY CHECK (name <> ''),
  definition TEXT NOT NULL,
  category TEXT NOT NULL,
  dims TEXT NOT NULL,
  num TEXT NOT NULL,
  den TEXT NOT NULL,
  pi BIGINT NOT NULL,
  created_at TEXT NOT NULL
);
-- undo: convert_unit
