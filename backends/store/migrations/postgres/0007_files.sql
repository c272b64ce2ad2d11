-- Files: who declared them, for which room, and how far they have come. Their bytes are elsewhere.
--
-- No foreign keys, as messages have none: the message that refers to a file is stored later than its reference.

CREATE TABLE files (
    id          uuid PRIMARY KEY,
    owner_id    text COLLATE "C" NOT NULL,
    room_id     text COLLATE "C" NOT NULL,
    name        text        NOT NULL,
    size        bigint      NOT NULL,
    mime        text        NOT NULL,
    -- 'live', or 'over': given up, until its bytes are gone.
    stage       text        NOT NULL DEFAULT 'live',
    declared_at timestamptz NOT NULL,
    -- The bytes that were verified.
    blob_id     uuid,
    -- The first message that refers to it.
    message_id  uuid
);
-- What may be an orphan: few rows, for those in use are not among them.
CREATE INDEX files_unreferred ON files (declared_at) WHERE message_id IS NULL;
