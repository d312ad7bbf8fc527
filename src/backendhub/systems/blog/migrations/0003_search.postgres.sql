-- needs: search
CREATE TABLE blog_search (
  id BIGINT PRIMARY KEY REFERENCES blog_article (id) ON DELETE CASCADE,
  document TSVECTOR NOT NULL
);
CREATE INDEX blog_search_document ON blog_search USING gin (document);
CREATE FUNCTION blog_search_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO blog_search (id, document) VALUES (NEW.id, search_document(NEW.title, NEW.tags, NEW.category, NEW.body))
  ON CONFLICT (id) DO UPDATE SET document = excluded.document;
  RETURN NULL;
END
$$;
CREATE TRIGGER blog_search_write AFTER INSERT OR UPDATE OF title, tags, category, body ON blog_article
  FOR EACH ROW EXECUTE FUNCTION blog_search_write();
INSERT INTO blog_search (id, document) SELECT id, search_document(title, tags, category, body) FROM blog_article;
