-- As migrations/postgres.
ALTER TABLE users ADD COLUMN disabled_at INTEGER;
