-- Finished games. mode: ranked (counts everywhere), daily (stats and the daily streak), practice (counts nowhere:
-- a seed, a range, a number of chances of one's own, or hints).
CREATE TABLE guess_game (
  id {pk},
  mode TEXT NOT NULL CHECK (mode IN ('ranked', 'daily', 'practice')),
  difficulty TEXT NOT NULL,
  low BIGINT NOT NULL,
  high BIGINT NOT NULL CHECK (high > low),
  chances BIGINT NOT NULL CHECK (chances > 0),
  seed TEXT,
  secret BIGINT NOT NULL,
  turns TEXT NOT NULL, -- the guesses in order, JSON
  attempts BIGINT NOT NULL,
  won BOOLEAN NOT NULL,
  seconds DOUBLE PRECISION NOT NULL,
  played_at TEXT NOT NULL
);
CREATE INDEX guess_game_score ON guess_game (mode, difficulty, won, attempts, seconds, id);
-- A day's game counts once.
CREATE UNIQUE INDEX guess_game_daily ON guess_game (seed, difficulty) WHERE mode = 'daily';
-- undo: guess_game
