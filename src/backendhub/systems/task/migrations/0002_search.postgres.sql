-- Full text over descriptions and notes. `simple` keeps words as they are, as SQLite's unicode61 does.
CREATE INDEX task_description_search ON task USING gin (to_tsvector('simple', description));
CREATE INDEX task_note_search ON task_note USING gin (to_tsvector('simple', text));
