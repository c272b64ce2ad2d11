-- As migrations/postgres.

CREATE TABLE files (
    id          BLOB PRIMARY KEY,
    owner_id    TEXT    NOT NULL,
    room_id     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    mime        TEXT    NOT NULL,
    -- 'live', or 'over': given up, until its bytes are gone.
    stage       TEXT    NOT NULL DEFAULT 'live',
    declared_at INTEGER NOT NULL,
    -- The bytes that were verified.
    blob_id     BLOB,
    -- The first message that refers to it.
    message_id  BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX files_unreferred ON files (declared_at) WHERE message_id IS NULL;
