-- As migrations/postgres.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;

CREATE TABLE login_failures (
    account TEXT    NOT NULL,
    address TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT;
CREATE INDEX login_failures_last_at ON login_failures (last_at);
