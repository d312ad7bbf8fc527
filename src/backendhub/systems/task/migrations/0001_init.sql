CREATE TABLE task (
  id {pk},
  uuid TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL CHECK (description <> ''),
  status TEXT NOT NULL CHECK (status IN ('todo', 'in-progress', 'done')),
  priority TEXT CHECK (priority IN ('H', 'M', 'L')),
  due TEXT,
  project TEXT,
  recur_rule TEXT,
  recur_mode TEXT CHECK (recur_mode IN ('fixed', 'after')),
  recur_anchor TEXT,
  recur_from BIGINT, -- the task whose completion made this one
  revision BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  done_at TEXT
);
-- A completion spawns at most one task.
CREATE UNIQUE INDEX task_recur_from ON task (recur_from) WHERE recur_from IS NOT NULL;
CREATE INDEX task_status ON task (status, id);
CREATE INDEX task_due ON task (coalesce(due, '9999-12-31'), id);
CREATE INDEX task_project ON task (project, id) WHERE project IS NOT NULL;
CREATE INDEX task_priority ON task ((CASE priority WHEN 'H' THEN 0 WHEN 'M' THEN 1 WHEN 'L' THEN 3 ELSE 2 END), id);
CREATE INDEX task_created ON task (created_at, id);
CREATE INDEX task_updated ON task (updated_at, id);
CREATE INDEX task_done_at ON task (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE task_tag (
  task_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (task_id, tag)
);
CREATE INDEX task_tag_tag ON task_tag (tag, task_id);

CREATE TABLE task_dep (
  task_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
  needs_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
  PRIMARY KEY (task_id, needs_id),
  CHECK (task_id <> needs_id)
);
CREATE INDEX task_dep_needs ON task_dep (needs_id);

CREATE TABLE task_note (
  id {pk},
  task_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX task_note_task ON task_note (task_id, id);

CREATE TABLE task_interval (
  id {pk},
  task_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
  started_at TEXT NOT NULL,
  stopped_at TEXT
);
CREATE INDEX task_interval_task ON task_interval (task_id, id);
-- A task is worked on by at most one clock.
CREATE UNIQUE INDEX task_interval_running ON task_interval (task_id) WHERE stopped_at IS NULL;
-- undo: task task_tag task_dep task_note task_interval
