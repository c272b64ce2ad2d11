-- As migrations/postgres. Times are milliseconds since the Unix epoch.

CREATE TABLE bans (
    room_id TEXT    NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    by_id   TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    -- Null: until it is lifted.
    until   INTEGER,
    reason  TEXT,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bans_newest ON bans (room_id, since DESC);
CREATE INDEX bans_user ON bans (user_id);

CREATE TABLE blocks (
    user_id    TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    blocked_id TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    since      INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_blocked ON blocks (blocked_id);

CREATE TABLE reports (
    id          BLOB PRIMARY KEY,
    reporter_id TEXT    NOT NULL,
    message_id  BLOB,
    room_id     TEXT,
    user_id     TEXT,
    reason      TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reports_reporter ON reports (reporter_id, at DESC);
CREATE INDEX reports_at ON reports (at);

CREATE TRIGGER rooms_removed AFTER DELETE ON rooms FOR EACH ROW BEGIN
    DELETE FROM messages WHERE room_id = OLD.id;
    DELETE FROM room_changes WHERE room_id = OLD.id;
    DELETE FROM room_counters WHERE room_id = OLD.id;
END;
