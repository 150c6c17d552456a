-- no-transaction
-- Lets a room be direct. SQLite can't change a CHECK, so the table is made anew, in a transaction of its own: whether
-- keys between tables are watched can't be changed within one. Safe to repeat.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;
CREATE TABLE new_rooms (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    room_type   TEXT    NOT NULL CHECK (room_type IN ('public', 'private', 'direct')),
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO new_rooms SELECT id, name, description, room_type, created_by, created_at FROM rooms;
DROP TABLE rooms;
ALTER TABLE new_rooms RENAME TO rooms;
CREATE UNIQUE INDEX rooms_name ON rooms (name);
COMMIT;
PRAGMA foreign_keys = ON;
