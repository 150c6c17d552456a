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
INSERT INTO "_sqlx_migrations" VALUES(1,'rooms and messages','2026-11-23 11:48:20',1,X'5AE7DBF85217784733B8692AF752D165675DB9573D3845C8B9B0E0EE5547793E15220274A95EE9284094D86E11A45361',745753);
INSERT INTO "_sqlx_migrations" VALUES(2,'direct rooms','2026-11-23 11:48:20',1,X'E2355CA95F6BA56ABED79108B7E26DA2CF00E87192B3A399803D08317EB52463EA82D22FDDBC351FDBB418674A2B8150',1251859);
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
INSERT INTO "messages" VALUES('b8426a51ccd1a4dc2bca6039','6b04280470825bf02c1e802c',1,'4','ada','message 1','text','i:1',1795168860000);
INSERT INTO "messages" VALUES('9a861ea182f7be7b4b8c9602','6b04280470825bf02c1e802c',2,'4','ada','message 2','text','t:temp-2',1795168920000);
INSERT INTO "messages" VALUES('46367b3f8cf548765a3c4139','6b04280470825bf02c1e802c',3,'4','ada','message 3','text','i:3',1795168980000);
CREATE TABLE participants (
    room_id   TEXT    NOT NULL REFERENCES rooms (id),
    user_id   TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL
) STRICT;
INSERT INTO "participants" VALUES('6b04280470825bf02c1e802c','1','owner',1795434500854);
INSERT INTO "participants" VALUES('6b04280470825bf02c1e802c','2','member',1795434500872);
INSERT INTO "participants" VALUES('6b04280470825bf02c1e802d','1','member',1795434500882);
INSERT INTO "participants" VALUES('6b04280470825bf02c1e802d','2','member',1795434500882);
CREATE TABLE "rooms" (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    room_type   TEXT    NOT NULL CHECK (room_type IN ('public', 'private', 'direct')),
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "rooms" VALUES('6b04280470825bf02c1e802b','general','General discussion room','public','system',1795434500717);
INSERT INTO "rooms" VALUES('6b04280470825bf02c1e802c','project x','of 0.1.0','private','1',1795434500854);
INSERT INTO "rooms" VALUES('6b04280470825bf02c1e802d','direct/1/2','','direct','1',1795434500880);
CREATE UNIQUE INDEX messages_room_seq ON messages (room_id, seq);
CREATE UNIQUE INDEX messages_room_user_client ON messages (room_id, user_id, client_id);
CREATE UNIQUE INDEX participants_room_user ON participants (room_id, user_id);
CREATE INDEX participants_user ON participants (user_id);
CREATE UNIQUE INDEX rooms_name ON rooms (name);
COMMIT;
