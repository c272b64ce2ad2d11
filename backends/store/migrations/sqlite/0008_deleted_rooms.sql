-- As migrations/postgres.

ALTER TABLE rooms ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;
CREATE INDEX rooms_to_empty ON rooms (deleted_at) WHERE deleted_at IS NOT NULL AND NOT emptied;

CREATE INDEX files_room ON files (room_id) WHERE message_id IS NOT NULL;

-- A row's number is used again once the row is gone: its words must not be found under the next one.
CREATE TRIGGER messages_words_removed AFTER DELETE ON messages WHEN NOT old.encrypted AND old.deleted_at IS NULL BEGIN
    INSERT INTO messages_words (messages_words, rowid, content) VALUES ('delete', old.rowid, old.content);
END;
