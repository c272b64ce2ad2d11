-- As migrations/postgres.

CREATE TABLE push_subscriptions (
    kind          TEXT    NOT NULL,
    address       TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    p256dh        TEXT,
    auth          TEXT,
    registered_at INTEGER NOT NULL,
    reached_at    INTEGER,
    PRIMARY KEY (kind, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id, registered_at DESC);

CREATE TABLE device_keys (
    user_id      TEXT    NOT NULL,
    device_id    TEXT    NOT NULL,
    identity_key TEXT    NOT NULL,
    signed_key   TEXT    NOT NULL,
    signature    TEXT    NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE one_time_keys (
    -- The order in which they were published.
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    TEXT    NOT NULL,
    device_id  TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    claimed_at INTEGER,
    UNIQUE (user_id, device_id, key_id),
    FOREIGN KEY (user_id, device_id) REFERENCES device_keys ON DELETE CASCADE
) STRICT;
CREATE INDEX one_time_keys_left ON one_time_keys (user_id, device_id, no) WHERE claimed_at IS NULL;
