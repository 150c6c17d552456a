-- Times are milliseconds since 1970. Every index is full, as in MongoDB.
CREATE TABLE rooms (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    room_type   TEXT    NOT NULL CHECK (room_type IN ('public', 'private')),
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX rooms_name ON rooms (name);

CREATE TABLE messages (
    id           TEXT    NOT NULL PRIMARY KEY,
    room_id      TEXT    NOT NULL REFERENCES rooms (id),
    seq          INTEGER NOT NULL CHECK (seq > 0),
    user_id      TEXT    NOT NULL,
    username     TEXT    NOT NULL,
    content      TEXT    NOT NULL,
    message_type TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_room_seq ON messages (room_id, seq);
CREATE UNIQUE INDEX messages_room_user_client ON messages (room_id, user_id, client_id);

CREATE TABLE participants (
    room_id   TEXT    NOT NULL REFERENCES rooms (id),
    user_id   TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX participants_room_user ON participants (room_id, user_id);
CREATE INDEX participants_user ON participants (user_id);
