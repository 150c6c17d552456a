-- A user who was disabled can't log in; null for all others.
ALTER TABLE users ADD COLUMN disabled_at timestamptz;
