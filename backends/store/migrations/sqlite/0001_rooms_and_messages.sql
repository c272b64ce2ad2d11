-- As migrations/postgres, in one file for one process. Times are milliseconds since the Unix epoch.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    username      TEXT UNIQUE,
    email         TEXT UNIQUE,
    password_hash TEXT,
    name          TEXT    NOT NULL,
    avatar_url    TEXT,
    created_at    INTEGER NOT NULL,
    last_seen     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
    id           TEXT PRIMARY KEY,
    kind         TEXT    NOT NULL,
    name         TEXT,
    description  TEXT,
    avatar_url   TEXT,
    is_private   INTEGER NOT NULL DEFAULT 0,
    is_active    INTEGER NOT NULL DEFAULT 1,
    metadata     TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    deleted_at   INTEGER,
    version      INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    -- The two users of a direct room, the lower id first; null for other kinds.
    user_a       TEXT,
    user_b       TEXT,
    UNIQUE (user_a, user_b)
) STRICT, WITHOUT ROWID;
CREATE INDEX rooms_kind ON rooms (kind);
CREATE INDEX rooms_creator ON rooms (created_by);
CREATE INDEX rooms_created ON rooms (created_at);

CREATE TABLE members (
    room_id               TEXT    NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id               TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    role                  TEXT    NOT NULL DEFAULT 'member',
    joined_at             INTEGER NOT NULL,
    left_at               INTEGER,
    -- Where in the room's order they left; set when the log's record of it is applied.
    left_seq              INTEGER,
    -- The room's version that set this row: which leaving a record tells of.
    version               INTEGER NOT NULL,
    read_seq              INTEGER NOT NULL DEFAULT 0,
    read_no               INTEGER NOT NULL DEFAULT 0,
    last_read_at          INTEGER,
    notifications_enabled INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_user ON members (user_id);
CREATE INDEX members_role ON members (room_id, role);

CREATE TABLE room_counters (
    room_id         TEXT PRIMARY KEY,
    last_no         INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL,
    last_message_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    id               BLOB    NOT NULL,
    seq              INTEGER NOT NULL,
    room_id          TEXT    NOT NULL,
    no               INTEGER NOT NULL,
    sender_id        TEXT    NOT NULL,
    sender_name      TEXT    NOT NULL,
    sender_avatar    TEXT,
    content          TEXT    NOT NULL,
    type             TEXT    NOT NULL DEFAULT 'text',
    reply_to_id      BLOB,
    reply_to_content TEXT,
    reply_to_sender  TEXT,
    metadata         TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    temp_id          TEXT,
    time             INTEGER NOT NULL,
    edited_at        INTEGER,
    edited_seq       INTEGER,
    deleted_at       INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_room_seq ON messages (room_id, seq DESC);
-- Not unique: after 30 days an id may be stored again.
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_room_time ON messages (room_id, time DESC);
CREATE INDEX messages_sender ON messages (sender_id, room_id, seq DESC);
CREATE INDEX messages_reply ON messages (reply_to_id) WHERE reply_to_id IS NOT NULL;

CREATE TABLE room_changes (
    room_id    TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    message_id BLOB,
    event_id   BLOB    NOT NULL UNIQUE,
    payload    BLOB    NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (room_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_changes_message ON room_changes (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE applied (
    partition  INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL DEFAULT 0,
    off        INTEGER NOT NULL DEFAULT -1,
    digest     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- AUTOINCREMENT: an id is never used again, so a late "sent" cannot mark another row.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id    TEXT    NOT NULL,
    event      BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
CREATE INDEX outbox_unsent ON outbox (room_id, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;
