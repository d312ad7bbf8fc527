-- needs: accounts reservation
-- Who has a seat is said by the reservations of the kit: a seat is the slot LABEL of `cinema:EVENT`, an area the stock
-- `cinema:EVENT:LABEL`. Here is what hangs on it.
CREATE TABLE cinema_workspace (
  id {pk},
  key TEXT NOT NULL UNIQUE,
  company TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- folded, for those who look for it
  secret_key TEXT NOT NULL UNIQUE,
  is_test BOOLEAN NOT NULL,
  is_active BOOLEAN NOT NULL,
  is_default BOOLEAN NOT NULL,
  created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX cinema_workspace_default ON cinema_workspace (company) WHERE is_default;
CREATE INDEX cinema_workspace_company ON cinema_workspace (company, id);

CREATE TABLE cinema_chart (
  id {pk},
  key TEXT NOT NULL UNIQUE,
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  status TEXT NOT NULL CHECK (status IN ('NOT_USED', 'PUBLISHED', 'PUBLISHED_WITH_DRAFT')),
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  archived BOOLEAN NOT NULL,
  tags TEXT NOT NULL,
  categories TEXT NOT NULL, -- of the published drawing, JSON
  published TEXT NOT NULL, -- the drawing, JSON
  draft TEXT,
  created_at TEXT NOT NULL
);
CREATE INDEX cinema_chart_workspace ON cinema_chart (workspace_id, archived, id);
CREATE TABLE cinema_tag (
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  name TEXT NOT NULL,
  chart_id BIGINT NOT NULL REFERENCES cinema_chart (id),
  PRIMARY KEY (workspace_id, name, chart_id)
) {clustered};
CREATE INDEX cinema_tag_chart ON cinema_tag (chart_id);
-- What the published drawing holds, for those who look for a seat by its label.
CREATE TABLE cinema_spot (
  chart_id BIGINT NOT NULL REFERENCES cinema_chart (id),
  label TEXT NOT NULL,
  number BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (chart_id, label)
) {clustered};

-- Dates on which the places of a chart can be had. A season is one too: what is had there is had at all of its dates.
CREATE TABLE cinema_event (
  id {pk},
  key TEXT NOT NULL,
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  chart_id BIGINT NOT NULL REFERENCES cinema_chart (id),
  kind TEXT NOT NULL CHECK (kind IN ('event', 'season', 'partial')),
  season_id BIGINT REFERENCES cinema_event (id), -- the season that an event or a partial season is of
  name TEXT,
  date TEXT,
  tables TEXT NOT NULL,
  object_categories TEXT,
  categories TEXT NOT NULL,
  channels TEXT NOT NULL,
  for_sale TEXT,
  for_sale_propagated BOOLEAN NOT NULL,
  in_past BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT,
  UNIQUE (workspace_id, key),
  CHECK ((kind = 'season' AND season_id IS NULL) OR kind = 'event' OR season_id IS NOT NULL)
);
CREATE INDEX cinema_event_workspace ON cinema_event (workspace_id, id);
CREATE INDEX cinema_event_chart ON cinema_event (chart_id, id);
CREATE INDEX cinema_event_season ON cinema_event (season_id, id) WHERE season_id IS NOT NULL;
CREATE TABLE cinema_part (
  partial_id BIGINT NOT NULL REFERENCES cinema_event (id),
  event_id BIGINT NOT NULL REFERENCES cinema_event (id),
  PRIMARY KEY (partial_id, event_id)
);
CREATE INDEX cinema_part_event ON cinema_part (event_id);

-- Status of a seat, table or booth. Without its claim among the reservations it is free, whatever stands here.
-- `season_id`: it has this status through a season. `overridden`: seasons are not asked.
CREATE TABLE cinema_state (
  event_id BIGINT NOT NULL REFERENCES cinema_event (id),
  label TEXT NOT NULL,
  status TEXT NOT NULL,
  claim_id TEXT,
  order_id TEXT,
  ticket_type TEXT,
  listing_id TEXT,
  extra TEXT,
  season_id BIGINT,
  overridden BOOLEAN NOT NULL,
  PRIMARY KEY (event_id, label)
) {clustered};
CREATE INDEX cinema_state_claim ON cinema_state (claim_id) WHERE claim_id IS NOT NULL;
-- Places of an area, by claim and kind of ticket.
CREATE TABLE cinema_places (
  id {pk},
  event_id BIGINT NOT NULL REFERENCES cinema_event (id),
  label TEXT NOT NULL,
  status TEXT NOT NULL,
  claim_id TEXT NOT NULL,
  order_id TEXT,
  ticket_type TEXT,
  channel TEXT,
  season_id BIGINT,
  quantity BIGINT NOT NULL CHECK (quantity > 0)
);
CREATE INDEX cinema_places_event ON cinema_places (event_id, label, id);
CREATE INDEX cinema_places_claim ON cinema_places (claim_id);

CREATE TABLE cinema_token (
  token TEXT PRIMARY KEY,
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  expires_at TEXT NOT NULL
);
CREATE INDEX cinema_token_end ON cinema_token (expires_at);
CREATE TABLE cinema_change (
  id {pk},
  event_id BIGINT NOT NULL REFERENCES cinema_event (id),
  label TEXT NOT NULL,
  status TEXT NOT NULL,
  quantity BIGINT NOT NULL,
  order_id TEXT,
  token TEXT,
  extra TEXT,
  origin TEXT NOT NULL,
  ip TEXT,
  at TEXT NOT NULL
);
CREATE INDEX cinema_change_event ON cinema_change (event_id, id);
CREATE INDEX cinema_change_label ON cinema_change (event_id, label, id);
CREATE INDEX cinema_change_status ON cinema_change (event_id, status, id);
CREATE TABLE cinema_log (
  id {pk},
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  at TEXT NOT NULL
);
CREATE INDEX cinema_log_workspace ON cinema_log (workspace_id, id);
CREATE TABLE cinema_buyer (
  id {pk},
  workspace_id BIGINT NOT NULL REFERENCES cinema_workspace (id),
  buyer TEXT NOT NULL,
  UNIQUE (workspace_id, buyer)
);
CREATE INDEX cinema_buyer_workspace ON cinema_buyer (workspace_id, id);

-- The cinema itself.
CREATE TABLE cinema_movie (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL CHECK (title <> ''),
  title_key TEXT NOT NULL,
  synopsis TEXT NOT NULL,
  minutes BIGINT NOT NULL CHECK (minutes BETWEEN 1 AND 1000),
  poster TEXT,
  rating TEXT,
  genres TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE cinema_genre (
  name TEXT NOT NULL,
  movie_id TEXT NOT NULL REFERENCES cinema_movie (id) ON DELETE CASCADE,
  PRIMARY KEY (name, movie_id)
);
CREATE INDEX cinema_genre_movie ON cinema_genre (movie_id);
CREATE TABLE cinema_hall (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  chart_id BIGINT NOT NULL REFERENCES cinema_chart (id),
  seats BIGINT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE cinema_show (
  id TEXT PRIMARY KEY,
  movie_id TEXT NOT NULL REFERENCES cinema_movie (id),
  hall_id TEXT NOT NULL REFERENCES cinema_hall (id),
  event_id BIGINT NOT NULL UNIQUE REFERENCES cinema_event (id),
  state TEXT NOT NULL CHECK (state IN ('scheduled', 'cancelled')),
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL CHECK (ends_at > starts_at),
  currency TEXT NOT NULL,
  prices TEXT NOT NULL, -- JSON: category key → minor units
  capacity BIGINT NOT NULL,
  cancelled_at TEXT,
  created_at TEXT NOT NULL
);
CREATE INDEX cinema_show_start ON cinema_show (starts_at, id);
CREATE INDEX cinema_show_movie ON cinema_show (movie_id, starts_at, id);
CREATE INDEX cinema_show_hall ON cinema_show (hall_id, starts_at) WHERE state = 'scheduled';
CREATE TABLE cinema_booking (
  id TEXT PRIMARY KEY,
  show_id TEXT NOT NULL REFERENCES cinema_show (id),
  user_id TEXT,
  name TEXT NOT NULL,
  email TEXT,
  state TEXT NOT NULL CHECK (state IN ('booked', 'cancelled')),
  amount BIGINT NOT NULL CHECK (amount >= 0),
  currency TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  cancelled_at TEXT
);
CREATE INDEX cinema_booking_show ON cinema_booking (show_id, id);
CREATE INDEX cinema_booking_user ON cinema_booking (user_id, id) WHERE user_id IS NOT NULL;
CREATE TABLE cinema_ticket (
  id TEXT PRIMARY KEY,
  booking_id TEXT NOT NULL REFERENCES cinema_booking (id),
  show_id TEXT NOT NULL REFERENCES cinema_show (id),
  label TEXT NOT NULL,
  category TEXT NOT NULL,
  price BIGINT NOT NULL CHECK (price >= 0),
  state TEXT NOT NULL CHECK (state IN ('valid', 'used', 'void')),
  scanned_at TEXT,
  scanned_by TEXT,
  CHECK ((state = 'used') = (scanned_at IS NOT NULL))
);
-- Whatever the code does: a seat of a show has one ticket.
CREATE UNIQUE INDEX cinema_ticket_seat ON cinema_ticket (show_id, label) WHERE state <> 'void';
CREATE INDEX cinema_ticket_booking ON cinema_ticket (booking_id, label);
CREATE TABLE cinema_key (
  name TEXT PRIMARY KEY,
  secret TEXT NOT NULL
);
