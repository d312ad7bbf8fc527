-- The index again, now with the words and weights of kit.search: marks belong to words (Hindi, Arabic, Thai), a hit in
-- the description counts more than one in a note.
DROP TRIGGER task_search_i;
DROP TRIGGER task_search_u;
DROP TRIGGER task_search_d;
DROP TRIGGER task_note_search_i;
DROP TRIGGER task_note_search_d;
DROP TABLE task_search;
CREATE VIRTUAL TABLE task_search USING fts5 (
  description, notes, tokenize = "unicode61 remove_diacritics 2 categories 'L* Mn Mc Nd Nl'"
);
INSERT INTO task_search (task_search, rank) VALUES ('rank', 'bm25(4.0, 1.0)');
INSERT INTO task_search (rowid, description, notes)
  SELECT id, description, coalesce((SELECT group_concat(text, ' ') FROM task_note WHERE task_id = task.id), '') FROM task;
CREATE TRIGGER task_search_i AFTER INSERT ON task BEGIN
  INSERT INTO task_search (rowid, description, notes) VALUES (NEW.id, NEW.description, '');
END;
CREATE TRIGGER task_search_u AFTER UPDATE OF description ON task BEGIN
  UPDATE task_search SET description = NEW.description WHERE rowid = NEW.id;
END;
CREATE TRIGGER task_search_d AFTER DELETE ON task BEGIN
  DELETE FROM task_search WHERE rowid = OLD.id;
END;
CREATE TRIGGER task_search_note_i AFTER INSERT ON task_note BEGIN
  UPDATE task_search SET notes = notes || ' ' || NEW.text WHERE rowid = NEW.task_id;
END;
CREATE TRIGGER task_search_note_u AFTER UPDATE OF text ON task_note BEGIN
  UPDATE task_search SET notes = coalesce(
    (SELECT group_concat(text, ' ') FROM task_note WHERE task_id = NEW.task_id), ''
  ) WHERE rowid = NEW.task_id;
END;
CREATE TRIGGER task_search_note_d AFTER DELETE ON task_note BEGIN
  UPDATE task_search SET notes = coalesce(
    (SELECT group_concat(text, ' ') FROM task_note WHERE task_id = OLD.task_id), ''
  ) WHERE rowid = OLD.task_id;
END;
