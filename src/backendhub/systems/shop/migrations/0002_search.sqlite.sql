CREATE VIRTUAL TABLE shop_search USING fts5 (
  title, words, body, content = 'shop_document', content_rowid = 'id',
  tokenize = "unicode61 remove_diacritics 2 categories 'L* Mn Mc Nd Nl'"
);
INSERT INTO shop_search (shop_search, rank) VALUES ('rank', 'bm25(8.0, 4.0, 1.0)');
INSERT INTO shop_search (shop_search) VALUES ('rebuild');
CREATE TRIGGER shop_search_i AFTER INSERT ON shop_document BEGIN
  INSERT INTO shop_search (rowid, title, words, body) VALUES (NEW.id, NEW.title, NEW.words, NEW.body);
END;
CREATE TRIGGER shop_search_u AFTER UPDATE OF title, words, body ON shop_document BEGIN
  INSERT INTO shop_search (shop_search, rowid, title, words, body) VALUES ('delete', OLD.id, OLD.title, OLD.words, OLD.body);
  INSERT INTO shop_search (rowid, title, words, body) VALUES (NEW.id, NEW.title, NEW.words, NEW.body);
END;
CREATE TRIGGER shop_search_d AFTER DELETE ON shop_document BEGIN
  INSERT INTO shop_search (shop_search, rowid, title, words, body) VALUES ('delete', OLD.id, OLD.title, OLD.words, OLD.body);
END;
