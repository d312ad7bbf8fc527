-- Full text over descriptions and notes; the rowid is the task's id.
CREATE VIRTUAL TABLE task_search USING fts5 (description, notes, tokenize = 'unicode61 remove_diacritics 2');
CREATE TRIGGER task_search_i AFTER INSERT ON task BEGIN
  INSERT INTO task_search (rowid, description, notes) VALUES (NEW.id, NEW.description, '');
END;
CREATE TRIGGER task_search_u AFTER UPDATE OF description ON task BEGIN
  UPDATE task_search SET description = NEW.description WHERE rowid = NEW.id;
END;
CREATE TRIGGER task_search_d AFTER DELETE ON task BEGIN
  DELETE FROM task_search WHERE rowid = OLD.id;
END;
CREATE TRIGGER task_note_search_i AFTER INSERT ON task_note BEGIN
  UPDATE task_search SET notes = notes || ' ' || NEW.text WHERE rowid = NEW.task_id;
END;
CREATE TRIGGER task_note_search_d AFTER DELETE ON task_note BEGIN
  UPDATE task_search SET notes = coalesce(
    (SELECT group_concat(text, ' ') FROM task_note WHERE task_id = OLD.task_id), ''
  ) WHERE rowid = OLD.task_id;
END;
