-- As migrations/postgres.
CREATE TABLE imported_users (
    old_id  TEXT    NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
) STRICT;
