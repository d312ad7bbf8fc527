-- The count of favourites follows its rows, whoever deletes them: an unfavourite, an account, a person with an SQL shell.
CREATE TRIGGER blog_favorite_i AFTER INSERT ON blog_favorite BEGIN
  UPDATE blog_article SET favorites = favorites + 1 WHERE id = NEW.article_id;
END;
CREATE TRIGGER blog_favorite_d AFTER DELETE ON blog_favorite BEGIN
  UPDATE blog_article SET favorites = favorites - 1 WHERE id = OLD.article_id;
END;

-- And the tags one by one follow the list of the article.
CREATE TRIGGER blog_tag_i AFTER INSERT ON blog_article BEGIN
  INSERT INTO blog_tag (tag, article_id) SELECT value, NEW.id FROM json_each(NEW.tags);
END;
CREATE TRIGGER blog_tag_u AFTER UPDATE OF tags ON blog_article BEGIN
  DELETE FROM blog_tag WHERE article_id = NEW.id;
  INSERT INTO blog_tag (tag, article_id) SELECT value, NEW.id FROM json_each(NEW.tags);
END;
