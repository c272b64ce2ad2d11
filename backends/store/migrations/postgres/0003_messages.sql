-- Mentions, ciphertext, reactions and pins; full text without ciphertext; how many messages of a room are deleted.

ALTER TABLE messages
    -- A JSON array of user ids; null: none.
    ADD COLUMN mentions text,
    -- The content is ciphertext: it is not searched.
    ADD COLUMN encrypted boolean NOT NULL DEFAULT false,
    -- It has, or once had, a reaction or a pin: only then are those looked up.
    ADD COLUMN marked boolean NOT NULL DEFAULT false;

-- An index on the expression, not on a stored column: the vector is computed once and written once.
CREATE INDEX messages_words ON messages USING gin (to_tsvector('simple'::regconfig, content)) WHERE NOT encrypted;
DROP INDEX messages_text;

-- Counts a room's deleted messages. Deletions are few, so the index is small and costs sending nothing.
CREATE INDEX messages_deleted ON messages (room_id) WHERE deleted_at IS NOT NULL;

-- No foreign keys, as for messages. The seq is that of the event.
CREATE TABLE reactions (
    room_id    text COLLATE "C" NOT NULL,
    message_id uuid   NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    emoji      text COLLATE "C" NOT NULL,
    seq        bigint NOT NULL,
    PRIMARY KEY (message_id, user_id, emoji)
);

CREATE TABLE pins (
    room_id    text COLLATE "C" NOT NULL,
    message_id uuid   PRIMARY KEY,
    seq        bigint NOT NULL,
    pinned_by  text COLLATE "C" NOT NULL,
    pinned_at  timestamptz NOT NULL
);
CREATE INDEX pins_room ON pins (room_id, seq DESC);
