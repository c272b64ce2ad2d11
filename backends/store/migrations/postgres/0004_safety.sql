-- Who is kept out of a room, who blocks whom, and what was reported.

-- Rows whose time is over stay until they are replaced or lifted; they keep nobody out.
CREATE TABLE bans (
    room_id text COLLATE "C" NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    by_id   text COLLATE "C" NOT NULL,
    since   timestamptz NOT NULL,
    -- Null: until it is lifted.
    until   timestamptz,
    reason  text,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX bans_newest ON bans (room_id, since DESC);
CREATE INDEX bans_user ON bans (user_id);

CREATE TABLE blocks (
    user_id    text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    blocked_id text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX blocks_blocked ON blocks (blocked_id);

-- For the team. No foreign keys: a report outlives what it is about.
CREATE TABLE reports (
    id          uuid PRIMARY KEY,
    reporter_id text COLLATE "C" NOT NULL,
    message_id  uuid,
    room_id     text COLLATE "C",
    user_id     text COLLATE "C",
    reason      text        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reports_reporter ON reports (reporter_id, at DESC);
CREATE INDEX reports_at ON reports (at);

-- Deleting a room marks it. When its row is removed for good, what was said in it goes too.
CREATE FUNCTION remove_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM messages WHERE room_id = OLD.id;
    DELETE FROM room_changes WHERE room_id = OLD.id;
    DELETE FROM room_counters WHERE room_id = OLD.id;
    RETURN OLD;
END
$$;
CREATE TRIGGER rooms_removed AFTER DELETE ON rooms FOR EACH ROW EXECUTE FUNCTION remove_room();
