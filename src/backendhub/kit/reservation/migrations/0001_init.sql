-- A hold is a set of claims on things, until a time. Claims are what counts: a row of reservation_units or
-- reservation_slot bars others while its `expires_at` is ahead, and is rubbish afterwards whether or not it is swept.
CREATE TABLE reservation_hold (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'released', 'expired')),
  expires_at TEXT NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0), -- its rows among the claims
  request TEXT NOT NULL, -- what was asked for at first, for those who ask again
  created_at TEXT NOT NULL
);
CREATE INDEX reservation_hold_expiry ON reservation_hold (expires_at) WHERE state = 'held';
CREATE INDEX reservation_hold_owner ON reservation_hold (owner, id);

-- Countable things: so many of them, at a place.
CREATE TABLE reservation_stock (
  resource TEXT NOT NULL,
  location TEXT NOT NULL,
  free BIGINT NOT NULL CHECK (free >= 0),
  held BIGINT NOT NULL CHECK (held >= 0),
  sold BIGINT NOT NULL CHECK (sold >= 0),
  PRIMARY KEY (resource, location)
);
CREATE TABLE reservation_units (
  hold_id TEXT NOT NULL,
  resource TEXT NOT NULL,
  location TEXT NOT NULL,
  quantity BIGINT NOT NULL CHECK (quantity > 0),
  sold BOOLEAN NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (hold_id, resource, location),
  FOREIGN KEY (resource, location) REFERENCES reservation_stock (resource, location)
);
CREATE INDEX reservation_units_stock ON reservation_units (resource, location, expires_at) WHERE NOT sold;

-- Unique things: a seat of a show, a night of a room. The primary key is what makes a double sale impossible.
CREATE TABLE reservation_slot (
  resource TEXT NOT NULL,
  slot TEXT NOT NULL,
  hold_id TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (resource, slot)
);
CREATE INDEX reservation_slot_hold ON reservation_slot (hold_id);
CREATE INDEX reservation_slot_expiry ON reservation_slot (expires_at);
