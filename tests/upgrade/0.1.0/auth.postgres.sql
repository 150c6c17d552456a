-- As 0.1.0 left it.
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
-- A user who was disabled can't log in; null for all others.
ALTER TABLE users ADD COLUMN disabled_at timestamptz;
-- Which user of an earlier backend became which one here, so that an import may be repeated.
CREATE TABLE imported_users (
    old_id  text   PRIMARY KEY,
    user_id bigint NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
INSERT INTO _sqlx_migrations VALUES (1, 'users and sessions', now(), true, '\xa05d3d6f3112dd14584d6f5f3fe42e3b629a0363d712950f9ae7011303e77e798e5124295f302913428451456dc094dd', 1);
INSERT INTO _sqlx_migrations VALUES (2, 'sessions and login failures', now(), true, '\x40396832b91462278fc6cdc7f2126361b75625672d23d131f0db77896beb38325967f02c517d94bbb73107cf42f1a531', 1);
INSERT INTO _sqlx_migrations VALUES (3, 'disabled users', now(), true, '\x65200fa4325e46ae629ca1646fd4cd1e9a362c0f6956b6120d80ec1cb5cf3934cf015e423937aa67c0554a760614db48', 1);
INSERT INTO _sqlx_migrations VALUES (4, 'imported users', now(), true, '\x1d9060f5dd0b9756a45794dfef84635bc861330a09b41b6adafdb91f6a9ea99db3226dde0c8b66b058ccddc316507527', 1);
INSERT INTO users (id, email, email_key, username, username_key, first_name, last_name, password_hash, roles, created_at, updated_at, disabled_at) VALUES (1, 'ada@example.com', 'ada@example.com', 'ada', 'ada', 'Ada', 'Lovelace', '$argon2id$v=19$m=19456,t=2,p=1$DuWPLeWoVEfzNpUVkxFOig$oxEaevvBGPc88jfjBFvleMyOmuW0nHbemQh0dxGnYFE', '{user}', to_timestamp(1795434500.796000), to_timestamp(1795434500.796000), NULL);
INSERT INTO users (id, email, email_key, username, username_key, first_name, last_name, password_hash, roles, created_at, updated_at, disabled_at) VALUES (2, 'grace@example.com', 'grace@example.com', 'grace', 'grace', 'Grace', 'Hopper', '$argon2id$v=19$m=19456,t=2,p=1$vbXzJemgchC9T88elaPw4A$YXNSsfJbKryW37OTW+olxxzNVdgW9wH9mkhQXUK8mDo', '{user}', to_timestamp(1795434500.824000), to_timestamp(1795434500.824000), NULL);
INSERT INTO users (id, email, email_key, username, username_key, first_name, last_name, password_hash, roles, created_at, updated_at, disabled_at) VALUES (3, 'gone@example.com', 'gone@example.com', 'gone', 'gone', 'Gone', 'User', '$argon2id$v=19$m=19456,t=2,p=1$JSvXewiM+f7KEEPk/+lvsA$3Wfq0nBFRJG4HV6LyrNGIRPa2f4DCjRQ+zAkbCJUgSc', '{user}', to_timestamp(1795434500.847000), to_timestamp(1795434500.847000), to_timestamp(1795434500.954000));
INSERT INTO users (id, email, email_key, username, username_key, first_name, last_name, password_hash, roles, created_at, updated_at, disabled_at) VALUES (4, 'old@example.com', 'old@example.com', 'old', 'old', 'Old', 'User', '$2b$04$SRbDI5VyGzFIkgwthUrGEei6qk0uLXLCqqOON325boJy3KXqEKPPG', '{user}', to_timestamp(1698400800.000000), to_timestamp(1698400800.000000), NULL);
SELECT setval('users_id_seq', (SELECT max(id) FROM users));
INSERT INTO sessions (id, user_id, created_at, expires_at, revoked_at, address, user_agent) VALUES ('f60bc64b-320e-496e-8e15-4c00bb8510eb', 1, to_timestamp(1795434500.796000), to_timestamp(1798026500.796000), NULL, '127.0.0.1', 'Python-urllib/3.11');
INSERT INTO sessions (id, user_id, created_at, expires_at, revoked_at, address, user_agent) VALUES ('9c052d81-e798-459c-aa35-509ea6685697', 2, to_timestamp(1795434500.824000), to_timestamp(1798026500.824000), to_timestamp(1795434500.888580), '127.0.0.1', 'Python-urllib/3.11');
INSERT INTO sessions (id, user_id, created_at, expires_at, revoked_at, address, user_agent) VALUES ('4d1132a9-2c58-4b52-93da-f14d68aacaaf', 3, to_timestamp(1795434500.847000), to_timestamp(1798026500.847000), to_timestamp(1795434500.954989), '127.0.0.1', 'Python-urllib/3.11');
INSERT INTO imported_users VALUES ('9', 4);
