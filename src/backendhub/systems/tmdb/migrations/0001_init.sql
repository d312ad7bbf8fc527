-- What is known of films and series, for offline use and for recommendations: facts, so not undoable.
CREATE TABLE tmdb_item (
  kind TEXT NOT NULL CHECK (kind IN ('movie', 'tv')),
  id BIGINT NOT NULL,
  title TEXT NOT NULL,
  release_date TEXT,
  vote_average DOUBLE PRECISION NOT NULL,
  vote_count BIGINT NOT NULL,
  genres TEXT NOT NULL,
  poster_url TEXT,
  overview TEXT NOT NULL,
  features TEXT NOT NULL, -- {"genre:878": "Science Fiction", "cast:6384": "Keanu Reeves", …}
  detailed BOOLEAN NOT NULL,
  fetched_at TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);

-- The user's own work, hence undoable. The title is kept here: the list is readable without network.
CREATE TABLE tmdb_watch (
  kind TEXT NOT NULL CHECK (kind IN ('movie', 'tv')),
  item_id BIGINT NOT NULL,
  title TEXT NOT NULL,
  release_date TEXT,
  state TEXT NOT NULL CHECK (state IN ('want', 'done')),
  rating DOUBLE PRECISION CHECK (rating > 0 AND rating <= 10),
  added_at TEXT NOT NULL,
  done_at TEXT,
  PRIMARY KEY (kind, item_id)
);
-- undo: tmdb_watch
