-- As 0.1.0 left it.
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'users and sessions','2026-11-23 11:48:20',1,X'F9EDA33EB84B8B5876105AEB2031CBEF81ACAB4274ED5F67C994AFCA2F33EF4049BE52DCB1E0A523A31AB485B917EAC2',1230968);
INSERT INTO "_sqlx_migrations" VALUES(2,'sessions and login failures','2026-11-23 11:48:20',1,X'C2FAD7B346E070F24FE3CA0BEEDED04AEAEDC6C361F199D8F7ACA9158603BEA9CC1857119C416A4BB7D2A94A8635A672',709950);
INSERT INTO "_sqlx_migrations" VALUES(3,'disabled users','2026-11-23 11:48:20',1,X'B1E558DD16C7970EE367D8B97339919B0F3545587F467ED9AC12A6026F19B75F7575F992C48576F8D95306F6222A5D9C',509411);
INSERT INTO "_sqlx_migrations" VALUES(4,'imported users','2026-11-23 11:48:20',1,X'E0AC6662F2CE228927DD12FF564E57A1187FBB4B8720D05994F1ABC67784A21613EFCB58E5BA04539886A0AD043EDE5C',467118);
CREATE TABLE imported_users (
    old_id  TEXT    NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
) STRICT;
INSERT INTO "imported_users" VALUES('9',4);
CREATE TABLE login_failures (
    account TEXT    NOT NULL,
    address TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT;
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
, address TEXT, user_agent TEXT) STRICT;
INSERT INTO "sessions" VALUES('f60bc64b-320e-496e-8e15-4c00bb8510eb',1,1795434500796000,1798026500796000,NULL,'127.0.0.1','Python-urllib/3.11');
INSERT INTO "sessions" VALUES('9c052d81-e798-459c-aa35-509ea6685697',2,1795434500824000,1798026500824000,1795434500888580,'127.0.0.1','Python-urllib/3.11');
INSERT INTO "sessions" VALUES('4d1132a9-2c58-4b52-93da-f14d68aacaaf',3,1795434500847000,1798026500847000,1795434500954989,'127.0.0.1','Python-urllib/3.11');
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT    NOT NULL,
    email_key     TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL,
    username_key  TEXT    NOT NULL UNIQUE,
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    roles         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
, disabled_at INTEGER) STRICT;
INSERT INTO "users" VALUES(1,'ada@example.com','ada@example.com','ada','ada','Ada','Lovelace','$argon2id$v=19$m=19456,t=2,p=1$DuWPLeWoVEfzNpUVkxFOig$oxEaevvBGPc88jfjBFvleMyOmuW0nHbemQh0dxGnYFE','["user"]',1795434500796000,1795434500796000,NULL);
INSERT INTO "users" VALUES(2,'grace@example.com','grace@example.com','grace','grace','Grace','Hopper','$argon2id$v=19$m=19456,t=2,p=1$vbXzJemgchC9T88elaPw4A$YXNSsfJbKryW37OTW+olxxzNVdgW9wH9mkhQXUK8mDo','["user"]',1795434500824000,1795434500824000,NULL);
INSERT INTO "users" VALUES(3,'gone@example.com','gone@example.com','gone','gone','Gone','User','$argon2id$v=19$m=19456,t=2,p=1$JSvXewiM+f7KEEPk/+lvsA$3Wfq0nBFRJG4HV6LyrNGIRPa2f4DCjRQ+zAkbCJUgSc','["user"]',1795434500847000,1795434500847000,1795434500954000);
INSERT INTO "users" VALUES(4,'old@example.com','old@example.com','old','old','Old','User','$2b$04$SRbDI5VyGzFIkgwthUrGEei6qk0uLXLCqqOON325boJy3KXqEKPPG','["user"]',1698400800000000,1698400800000000,NULL);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_revoked_at ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
CREATE INDEX login_failures_last_at ON login_failures (last_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',4);
COMMIT;
