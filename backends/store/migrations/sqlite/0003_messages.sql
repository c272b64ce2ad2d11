-- As migrations/postgres.

ALTER TABLE messages ADD COLUMN mentions TEXT;
ALTER TABLE messages ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;

CREATE INDEX messages_deleted ON messages (room_id) WHERE deleted_at IS NOT NULL;

-- Full text, of what is neither ciphertext nor deleted. It refers to messages by rowid: after a VACUUM, which renumbers
-- them, it would have to be made anew (INSERT INTO messages_words (messages_words) VALUES ('delete-all'), then as below).
CREATE VIRTUAL TABLE messages_words USING fts5 (
    content, content = 'messages', content_rowid = 'rowid', tokenize = 'unicode61 remove_diacritics 0'
);
INSERT INTO messages_words (rowid, content) SELECT rowid, content FROM messages WHERE deleted_at IS NULL;

CREATE TRIGGER messages_words_sent AFTER INSERT ON messages WHEN NOT new.encrypted BEGIN
    INSERT INTO messages_words (rowid, content) VALUES (new.rowid, new.content);
END;
CREATE TRIGGER messages_words_changed AFTER UPDATE OF content, encrypted, deleted_at ON messages BEGIN
    INSERT INTO messages_words (messages_words, rowid, content)
        SELECT 'delete', old.rowid, old.content WHERE NOT old.encrypted AND old.deleted_at IS NULL;
    INSERT INTO messages_words (rowid, content)
        SELECT new.rowid, new.content WHERE NOT new.encrypted AND new.deleted_at IS NULL;
END;

CREATE TABLE reactions (
    room_id    TEXT    NOT NULL,
    message_id BLOB    NOT NULL,
    user_id    TEXT    NOT NULL,
    emoji      TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (message_id, user_id, emoji)
) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
    room_id    TEXT    NOT NULL,
    message_id BLOB    PRIMARY KEY,
    seq        INTEGER NOT NULL,
    pinned_by  TEXT    NOT NULL,
    pinned_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_room ON pins (room_id, seq DESC);
