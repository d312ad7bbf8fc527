-- Every value of every row at its dotted path: what filters and sorts ask. See fields.py for what the columns hold.
-- Collation "C" orders text as SQLite does, by code point.
CREATE TABLE resources_field (
  row_id BIGINT NOT NULL REFERENCES resources_row (id) ON DELETE CASCADE,
  path TEXT COLLATE "C" NOT NULL,
  resource_id BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  num DOUBLE PRECISION NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  fold TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (row_id, path)
);
CREATE INDEX resources_field_value ON resources_field (resource_id, path, kind, num, key, row_id);
