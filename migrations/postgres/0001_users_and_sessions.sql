-- The keys are the lower-case forms, made by the service: lower() depends on the database's locale, and whether a
-- name is taken must not. email and username keep the case that their owner gave.
CREATE TABLE users (
    id            bigserial   PRIMARY KEY,
    email         text        NOT NULL,
    email_key     text        NOT NULL CONSTRAINT users_email_key UNIQUE,
    username      text        NOT NULL,
    username_key  text        NOT NULL CONSTRAINT users_username_key UNIQUE,
    first_name    text        NOT NULL,
    last_name     text        NOT NULL,
    password_hash text        NOT NULL,
    roles         text[]      NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE TABLE sessions (
    id         text        PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
-- Every replica reads the newest revocations each second.
CREATE INDEX sessions_revoked_at ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
