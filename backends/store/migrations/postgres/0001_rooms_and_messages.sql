-- Users, rooms, members, messages and changes, and how far the log has been applied to them.
--
-- Ids are collated by their bytes: the same order on every machine, and the cheapest to compare.

-- ---- users ----------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    id            text COLLATE "C" PRIMARY KEY,
    username      text UNIQUE,
    email         text UNIQUE,
    password_hash text,
    name          text        NOT NULL,
    avatar_url    text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_seen     timestamptz
);

-- ---- rooms and members ----------------------------------------------------------------------------------------------

CREATE TABLE rooms (
    id           text COLLATE "C" PRIMARY KEY,
    kind         text        NOT NULL,
    name         text,
    description  text,
    avatar_url   text,
    is_private   boolean     NOT NULL DEFAULT false,
    is_active    boolean     NOT NULL DEFAULT true,
    metadata     json,
    created_by   text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    deleted_at   timestamptz,
    -- Rises with every change of membership or settings.
    version      bigint      NOT NULL,
    -- Members who have not left.
    member_count bigint      NOT NULL,
    -- The two users of a direct room, the lower id first; null for other kinds.
    user_a       text COLLATE "C",
    user_b       text COLLATE "C",
    UNIQUE (user_a, user_b),
    CHECK (kind <> 'direct' OR user_a < user_b)
);
CREATE INDEX rooms_kind ON rooms (kind);
CREATE INDEX rooms_creator ON rooms (created_by);
CREATE INDEX rooms_created ON rooms (created_at);
CREATE INDEX rooms_user_b ON rooms (user_b) WHERE user_b IS NOT NULL;

CREATE TABLE members (
    room_id               text COLLATE "C" NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id               text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    -- 'left' for an ex-member, whose row stays: they may read up to their leaving.
    role                  text        NOT NULL DEFAULT 'member',
    joined_at             timestamptz NOT NULL,
    left_at               timestamptz,
    -- Where in the room's order they left; set when the log's record of it is applied.
    left_seq              bigint,
    -- The room's version that set this row: which leaving a record tells of.
    version               bigint      NOT NULL,
    -- How far they have read: a place in the room's order, and its message's `no`.
    read_seq              bigint      NOT NULL DEFAULT 0,
    read_no               bigint      NOT NULL DEFAULT 0,
    last_read_at          timestamptz,
    notifications_enabled boolean     NOT NULL DEFAULT true,
    PRIMARY KEY (room_id, user_id)
) WITH (fillfactor = 90);
CREATE INDEX members_user ON members (user_id);
CREATE INDEX members_role ON members (room_id, role);

-- Counts a room's messages. Narrow and with room to spare in each page, because every batch updates it.
CREATE TABLE room_counters (
    room_id         text COLLATE "C" PRIMARY KEY,
    last_no         bigint      NOT NULL,
    last_seq        bigint      NOT NULL,
    last_message_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- ---- messages and changes -------------------------------------------------------------------------------------------

-- No foreign keys: a record of the log is stored whoever its sender is and whatever became of its room.
CREATE TABLE messages (
    id               uuid        NOT NULL,
    seq              bigint      NOT NULL,
    room_id          text COLLATE "C" NOT NULL,
    -- Dense within the room, from 1.
    no               bigint      NOT NULL,
    sender_id        text COLLATE "C" NOT NULL,
    -- As they were when the message was sent.
    sender_name      text        NOT NULL,
    sender_avatar    text,
    content          text        NOT NULL,
    type             text        NOT NULL DEFAULT 'text',
    reply_to_id      uuid,
    reply_to_content text,
    reply_to_sender  text,
    -- json and not jsonb: it is returned as it came.
    metadata         json,
    temp_id          text,
    -- The log's time, the same as in the ack and live.
    time             timestamptz NOT NULL,
    edited_at        timestamptz,
    edited_seq       bigint,
    deleted_at       timestamptz,
    -- A unique key of a partitioned table has to include the partition's column, so this alone does not keep an id
    -- unique: the look-up inside the fenced batch does.
    PRIMARY KEY (id, time)
) PARTITION BY RANGE (time);
CREATE INDEX messages_room_seq ON messages (room_id, seq DESC);
CREATE INDEX messages_room_time ON messages (room_id, time DESC);
CREATE INDEX messages_sender ON messages (sender_id, room_id, seq DESC);
CREATE INDEX messages_reply ON messages (reply_to_id) WHERE reply_to_id IS NOT NULL;
-- An index on the expression, not on a stored column: the vector is computed once and written once.
CREATE INDEX messages_text ON messages USING gin (to_tsvector('simple'::regconfig, content));

CREATE TABLE messages_default PARTITION OF messages DEFAULT;

-- Makes the partitions of last month up to `ahead` months from now, where they are missing.
--
-- Made apart and then attached: that takes no lock which readers and writers of the other partitions would wait for.
-- Rows of such a month that had to go to the default partition move to their own.
CREATE FUNCTION make_message_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    starts timestamp;
    lower timestamptz;
    upper timestamptz;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('parlor.partitions', 0));
    FOR i IN -1..ahead LOOP
        starts := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i);
        lower := starts AT TIME ZONE 'UTC';
        upper := (starts + interval '1 month') AT TIME ZONE 'UTC';
        partition := 'messages_' || to_char(starts, 'YYYY_MM');
        CONTINUE WHEN to_regclass(quote_ident(partition)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING ALL)', partition);
        IF EXISTS (SELECT FROM messages_default WHERE time >= lower AND time < upper) THEN
            LOCK TABLE messages_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('INSERT INTO %I SELECT * FROM messages_default WHERE time >= $1 AND time < $2', partition)
                USING lower, upper;
            DELETE FROM messages_default WHERE time >= lower AND time < upper;
        END IF;
        EXECUTE format('ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, lower, upper);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

SELECT make_message_partitions(2);

-- Every event that is no message: edits, deletions, membership, and all of an inbox. Catch-up merges it with messages.
CREATE TABLE room_changes (
    room_id    text COLLATE "C" NOT NULL,
    seq        bigint      NOT NULL,
    -- As proto/parlor/v1/event.proto numbers them.
    kind       integer     NOT NULL,
    -- The message that it changes.
    message_id uuid,
    event_id   uuid        NOT NULL UNIQUE,
    -- The record's own bytes.
    payload    bytea       NOT NULL,
    time       timestamptz NOT NULL,
    PRIMARY KEY (room_id, seq)
);
CREATE INDEX room_changes_message ON room_changes (message_id) WHERE message_id IS NOT NULL;

-- ---- positions ------------------------------------------------------------------------------------------------------

-- How far each partition of the log has been applied; moved by the transaction that applies.
CREATE TABLE applied (
    partition  integer PRIMARY KEY,
    generation smallint NOT NULL DEFAULT 0,
    off        bigint   NOT NULL DEFAULT -1,
    digest     bigint   NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- Events that were decided but may not be in the log yet.
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The room whose decision it belongs to; the event itself may be for an inbox.
    room_id    text COLLATE "C" NOT NULL,
    event      bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz
);
CREATE INDEX outbox_unsent ON outbox (room_id, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;
