-- As migrations/postgres.

ALTER TABLE messages ADD COLUMN reply_to_encrypted INTEGER NOT NULL DEFAULT 0;
