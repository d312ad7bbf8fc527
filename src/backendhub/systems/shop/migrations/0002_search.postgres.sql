-- needs: search
CREATE TABLE shop_search (
  id BIGINT PRIMARY KEY REFERENCES shop_document (id) ON DELETE CASCADE,
  document TSVECTOR NOT NULL
);
CREATE INDEX shop_search_document ON shop_search USING gin (document);
CREATE FUNCTION shop_search_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO shop_search (id, document) VALUES (NEW.id, search_document(NEW.title, NEW.words, NEW.body))
  ON CONFLICT (id) DO UPDATE SET document = excluded.document;
  RETURN NULL;
END
$$;
CREATE TRIGGER shop_search_write AFTER INSERT OR UPDATE OF title, words, body ON shop_document
  FOR EACH ROW EXECUTE FUNCTION shop_search_write();
INSERT INTO shop_search (id, document) SELECT id, search_document(title, words, body) FROM shop_document;
