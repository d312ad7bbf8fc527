-- The count of favourites follows its rows, whoever deletes them: an unfavourite, an account, a person with an SQL shell.
CREATE FUNCTION blog_favorite_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE blog_article SET favorites = favorites + 1 WHERE id = NEW.article_id;
  ELSE
    UPDATE blog_article SET favorites = favorites - 1 WHERE id = OLD.article_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER blog_favorite_count AFTER INSERT OR DELETE ON blog_favorite
  FOR EACH ROW EXECUTE FUNCTION blog_favorite_count();

-- And the tags one by one follow the list of the article.
CREATE FUNCTION blog_tag_list() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM blog_tag WHERE article_id = NEW.id;
  INSERT INTO blog_tag (tag, article_id) SELECT value, NEW.id FROM json_array_elements_text(CAST(NEW.tags AS json));
  RETURN NULL;
END $$;
CREATE TRIGGER blog_tag_list AFTER INSERT OR UPDATE OF tags ON blog_article
  FOR EACH ROW EXECUTE FUNCTION blog_tag_list();
