CREATE VIRTUAL TABLE blog_search USING fts5 (
  title, tags, category, body, content = 'blog_article', content_rowid = 'id',
  tokenize = "unicode61 remove_diacritics 2 categories 'L* Mn Mc Nd Nl'"
);
INSERT INTO blog_search (blog_search, rank) VALUES ('rank', 'bm25(4.0, 3.0, 2.0, 1.0)');
INSERT INTO blog_search (blog_search) VALUES ('rebuild');
CREATE TRIGGER blog_search_i AFTER INSERT ON blog_article BEGIN
  INSERT INTO blog_search (rowid, title, tags, category, body) VALUES (NEW.id, NEW.title, NEW.tags, NEW.category, NEW.body);
END;
CREATE TRIGGER blog_search_u AFTER UPDATE OF title, tags, category, body ON blog_article BEGIN
  INSERT INTO blog_search (blog_search, rowid, title, tags, category, body) VALUES ('delete', OLD.id, OLD.title, OLD.tags, OLD.category, OLD.body);
  INSERT INTO blog_search (rowid, title, tags, category, body) VALUES (NEW.id, NEW.title, NEW.tags, NEW.category, NEW.body);
END;
CREATE TRIGGER blog_search_d AFTER DELETE ON blog_article BEGIN
  INSERT INTO blog_search (blog_search, rowid, title, tags, category, body) VALUES ('delete', OLD.id, OLD.title, OLD.tags, OLD.category, OLD.body);
END;
