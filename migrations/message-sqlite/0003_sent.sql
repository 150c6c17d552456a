-- What a resend is known by, in a table of its own that follows the messages: an index of the messages would have a
-- page for each sender in each room, and nearly every message would write one. The service knows the newest by heart,
-- and sorts them in later. Only clients' own ids, which begin with t:, can be sent again.
CREATE TABLE sent (
    room_id   TEXT    NOT NULL,
    user_id   TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id, client_id)
) STRICT, WITHOUT ROWID;
INSERT INTO sent SELECT room_id, user_id, client_id, seq FROM messages WHERE client_id GLOB 't:*'
    ORDER BY room_id, user_id, client_id;
DROP INDEX messages_room_user_client;

-- One row. All messages with row ids up to `done` are in `sent`, and with the end of this round those up to `next`. As
-- messages are never deleted, row ids are 1, 2, 3 and so on, also after a VACUUM.
CREATE TABLE sent_until (
    done INTEGER NOT NULL,
    next INTEGER NOT NULL
) STRICT;
INSERT INTO sent_until SELECT COALESCE(MAX(rowid), 0), COALESCE(MAX(rowid), 0) FROM messages;
