-- As migrations/postgres.

CREATE TABLE file_messages (
    file_id    BLOB NOT NULL,
    message_id BLOB NOT NULL,
    PRIMARY KEY (file_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_messages_by_message ON file_messages (message_id);
