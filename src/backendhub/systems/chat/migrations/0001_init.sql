-- needs: accounts fanout files
-- What happened in a room, in its order, is a channel of the fan-out (space `chat`, the room's id); these are its state.
CREATE TABLE chat_room (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('public', 'private', 'direct')),
  topic TEXT NOT NULL,
  pair TEXT UNIQUE,
  created_at TEXT NOT NULL,
  CHECK ((kind = 'direct') = (pair IS NOT NULL))
);
CREATE INDEX chat_room_public ON chat_room (name, id) WHERE kind = 'public';

CREATE TABLE chat_member (
  room_id TEXT NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('owner', 'moderator', 'member')),
  joined_at TEXT NOT NULL,
  joined BIGINT NOT NULL,
  got BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  muted_until TEXT,
  PRIMARY KEY (room_id, user_id)
);
CREATE INDEX chat_member_user ON chat_member (user_id, room_id);

CREATE TABLE chat_ban (
  room_id TEXT NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  reason TEXT NOT NULL,
  until TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (room_id, user_id)
);
CREATE INDEX chat_ban_user ON chat_ban (user_id);

CREATE TABLE chat_message (
  id {pk},
  room_id TEXT NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  sender_id TEXT REFERENCES accounts_user (id) ON DELETE SET NULL,
  device TEXT NOT NULL,
  txn TEXT NOT NULL,
  text TEXT NOT NULL,
  reply_to BIGINT,
  file_id TEXT,
  at TEXT NOT NULL,
  edited_at TEXT,
  deleted_at TEXT,
  UNIQUE (room_id, number),
  UNIQUE (sender_id, device, txn)
);

CREATE TABLE chat_reaction (
  message_id BIGINT NOT NULL REFERENCES chat_message (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES accounts_user (id) ON DELETE CASCADE,
  emoji TEXT NOT NULL,
  PRIMARY KEY (message_id, emoji, user_id)
);
CREATE INDEX chat_reaction_user ON chat_reaction (user_id);
