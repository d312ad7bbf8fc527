-- Data sets whose shape their users decide: a set has resources (`posts`), a resource has rows, a row is a JSON object.

CREATE TABLE resources_set (
  id {pk},
  name TEXT NOT NULL UNIQUE,
  file_hash TEXT,
  content_hash TEXT,
  loaded_at TEXT
);

-- A resource that is not `plural` has one row, with the key ''. `next_id` is larger than every integer that is a key.
CREATE TABLE resources_resource (
  id {pk},
  set_id BIGINT NOT NULL REFERENCES resources_set (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  plural BOOLEAN NOT NULL,
  integer_ids BOOLEAN NOT NULL,
  next_id BIGINT NOT NULL CHECK (next_id > 0),
  UNIQUE (set_id, name)
);

-- `key` is the row's id as text: 1 and "1" are one row. The order of `id` is the order in which rows were added.
-- `search` is all that the row says, in lower case.
CREATE TABLE resources_row (
  id {pk},
  resource_id BIGINT NOT NULL REFERENCES resources_resource (id) ON DELETE CASCADE,
  key TEXT NOT NULL CHECK (length(key) <= 200),
  body TEXT NOT NULL,
  search TEXT NOT NULL,
  revision BIGINT NOT NULL CHECK (revision > 0),
  UNIQUE (resource_id, key)
);
CREATE INDEX resources_row_order ON resources_row (resource_id, id);
