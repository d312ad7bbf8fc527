-- needs: search
CREATE TABLE chat_search (
  id BIGINT PRIMARY KEY REFERENCES chat_message (id) ON DELETE CASCADE,
  document TSVECTOR NOT NULL
);
CREATE INDEX chat_search_document ON chat_search USING gin (document);
CREATE FUNCTION chat_search_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chat_search (id, document) VALUES (NEW.id, search_document(NEW.text))
  ON CONFLICT (id) DO UPDATE SET document = excluded.document;
  RETURN NULL;
END
$$;
CREATE TRIGGER chat_search_write AFTER INSERT OR UPDATE OF text ON chat_message
  FOR EACH ROW EXECUTE FUNCTION chat_search_write();
