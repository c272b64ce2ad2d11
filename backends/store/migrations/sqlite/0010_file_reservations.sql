-- As migrations/postgres.

ALTER TABLE files ADD COLUMN reserved_at INTEGER;
ALTER TABLE file_messages ADD COLUMN stored INTEGER NOT NULL DEFAULT 1;
