-- needs: accounts jobs
-- What the blog knows of an account beyond its name; there is no row until somebody fills one in.
CREATE TABLE blog_profile (
  id TEXT PRIMARY KEY REFERENCES accounts_user (id) ON DELETE CASCADE,
  bio TEXT,
  image TEXT
);

CREATE TABLE blog_follow (
  follower_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  author_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  created_at TEXT NOT NULL,
  PRIMARY KEY (follower_id, author_id),
  CHECK (follower_id <> author_id)
);
CREATE INDEX blog_follow_author ON blog_follow (author_id);

-- An article is a draft without `publish_at`, and visible to everybody from that moment on.
CREATE TABLE blog_article (
  id {pk},
  uuid TEXT NOT NULL UNIQUE, -- what feeds know it by, wherever it moves
  slug TEXT NOT NULL UNIQUE,
  author_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  title TEXT NOT NULL CHECK (title <> ''),
  description TEXT NOT NULL CHECK (description <> ''),
  body TEXT NOT NULL CHECK (body <> ''),
  category TEXT CHECK (category <> ''),
  tags TEXT NOT NULL, -- JSON list, in the order in which they were given
  publish_at TEXT,
  announced_at TEXT, -- when `blog.published` was written to the outbox: once
  favorites BIGINT NOT NULL CHECK (favorites >= 0), -- the number of rows in blog_favorite; triggers keep it
  revision BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX blog_article_published ON blog_article (publish_at, id);
CREATE INDEX blog_article_author ON blog_article (author_id, publish_at, id);
CREATE INDEX blog_article_category ON blog_article (category, publish_at, id) WHERE category IS NOT NULL;

-- Every slug that was ever given out, and how many articles asked for it: the next one gets the next number. A slug
-- is never given out again, so that an old link cannot lead to somebody else's article.
CREATE TABLE blog_slug (
  base TEXT PRIMARY KEY,
  taken BIGINT NOT NULL
);

-- The tags of articles one by one, for filters and counts; triggers keep it.
CREATE TABLE blog_tag (
  tag TEXT NOT NULL,
  article_id BIGINT NOT NULL REFERENCES blog_article (id) ON DELETE CASCADE,
  PRIMARY KEY (tag, article_id)
);
CREATE INDEX blog_tag_article ON blog_tag (article_id);

CREATE TABLE blog_favorite (
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  article_id BIGINT NOT NULL REFERENCES blog_article (id) ON DELETE CASCADE,
  created_at TEXT NOT NULL,
  PRIMARY KEY (user_id, article_id)
);
CREATE INDEX blog_favorite_article ON blog_favorite (article_id);

CREATE TABLE blog_comment (
  id {pk},
  article_id BIGINT NOT NULL REFERENCES blog_article (id) ON DELETE CASCADE,
  author_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  body TEXT NOT NULL CHECK (body <> ''),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX blog_comment_article ON blog_comment (article_id, id);
CREATE INDEX blog_comment_author ON blog_comment (author_id);
