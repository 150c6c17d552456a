-- Which user of an earlier backend became which one here, so that an import may be repeated.
CREATE TABLE imported_users (
    old_id  text   PRIMARY KEY,
    user_id bigint NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
);
