-- Where a session was opened from, shown to its owner. The address also tells where the owner is known to log in from.
ALTER TABLE sessions ADD COLUMN address text, ADD COLUMN user_agent text;

-- Failed logins: by account and address, and by account alone with the address ''. The account is a hash of what was
-- typed, whether there is such a user or not.
CREATE TABLE login_failures (
    account text        NOT NULL,
    address text        NOT NULL,
    number  bigint      NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (account, address)
);
CREATE INDEX login_failures_last_at ON login_failures (last_at);
