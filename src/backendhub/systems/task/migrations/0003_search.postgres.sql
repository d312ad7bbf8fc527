-- needs: search
-- The index again, with the words and weights of kit.search: one document for a task and its notes, kept by triggers.
DROP INDEX task_description_search;
DROP INDEX task_note_search;
CREATE TABLE task_search (
  id BIGINT PRIMARY KEY REFERENCES task (id) ON DELETE CASCADE,
  document TSVECTOR NOT NULL
);
CREATE INDEX task_search_document ON task_search USING gin (document);
CREATE FUNCTION task_search_put(task_id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- One after the other: of two notes added at once, the later statement must see the earlier note.
  PERFORM 1 FROM task WHERE id = $1 FOR NO KEY UPDATE;
  INSERT INTO task_search (id, document)
    SELECT t.id, search_document(
      t.description, (SELECT string_agg(n.text, ' ' ORDER BY n.id) FROM task_note n WHERE n.task_id = t.id)
    ) FROM task t WHERE t.id = $1
  ON CONFLICT (id) DO UPDATE SET document = excluded.document;
END
$$;
CREATE FUNCTION task_search_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'task' THEN
    PERFORM task_search_put(NEW.id);
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM task_search_put(OLD.task_id);
  ELSE
    PERFORM task_search_put(NEW.task_id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER task_search_write AFTER INSERT OR UPDATE OF description ON task
  FOR EACH ROW EXECUTE FUNCTION task_search_write();
CREATE TRIGGER task_search_write AFTER INSERT OR UPDATE OF text OR DELETE ON task_note
  FOR EACH ROW EXECUTE FUNCTION task_search_write();
INSERT INTO task_search (id, document)
  SELECT t.id, search_document(
    t.description, (SELECT string_agg(n.text, ' ' ORDER BY n.id) FROM task_note n WHERE n.task_id = t.id)
  ) FROM task t;
