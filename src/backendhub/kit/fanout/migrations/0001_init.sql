-- Channels, the messages that are kept of them in the order in which everybody gets them, and who is there.
CREATE TABLE fanout_channel (
  id {pk},
  space TEXT NOT NULL,
  name TEXT NOT NULL,
  epoch TEXT NOT NULL,
  top BIGINT NOT NULL,
  floor BIGINT NOT NULL,
  touched_at TEXT NOT NULL,
  UNIQUE (space, name),
  CHECK (floor >= 0 AND top >= floor)
);
CREATE INDEX fanout_channel_touched ON fanout_channel (space, touched_at);

CREATE TABLE fanout_message (
  channel_id BIGINT NOT NULL REFERENCES fanout_channel (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL,
  encoding TEXT NOT NULL CHECK (encoding IN ('text', 'base64')),
  at TEXT NOT NULL,
  PRIMARY KEY (channel_id, number)
) {clustered};
CREATE INDEX fanout_message_at ON fanout_message (at);

-- A lease of each connection that is in a channel; who does not renew it has left.
CREATE TABLE fanout_presence (
  space TEXT NOT NULL,
  channel TEXT NOT NULL,
  peer TEXT NOT NULL,
  member TEXT NOT NULL,
  info TEXT NOT NULL,
  node TEXT NOT NULL,
  until TEXT NOT NULL,
  PRIMARY KEY (space, channel, peer)
);
CREATE INDEX fanout_presence_member ON fanout_presence (space, channel, member);
CREATE INDEX fanout_presence_node ON fanout_presence (node);
CREATE INDEX fanout_presence_until ON fanout_presence (space, until);
