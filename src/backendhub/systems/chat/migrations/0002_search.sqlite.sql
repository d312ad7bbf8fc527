CREATE VIRTUAL TABLE chat_search USING fts5 (
  text, content = 'chat_message', content_rowid = 'id',
  tokenize = "unicode61 remove_diacritics 2 categories 'L* Mn Mc Nd Nl'"
);
INSERT INTO chat_search (chat_search, rank) VALUES ('rank', 'bm25(1.0)');
CREATE TRIGGER chat_search_i AFTER INSERT ON chat_message BEGIN
  INSERT INTO chat_search (rowid, text) VALUES (NEW.id, NEW.text);
END;
CREATE TRIGGER chat_search_u AFTER UPDATE OF text ON chat_message BEGIN
  INSERT INTO chat_search (chat_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);
  INSERT INTO chat_search (rowid, text) VALUES (NEW.id, NEW.text);
END;
CREATE TRIGGER chat_search_d AFTER DELETE ON chat_message BEGIN
  INSERT INTO chat_search (chat_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);
END;
