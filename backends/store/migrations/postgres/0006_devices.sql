-- Devices: who wants to be told while away, and the public keys that clients encrypt with.

CREATE TABLE push_subscriptions (
    kind          text        NOT NULL,
    -- An endpoint or a token. Who says it last has it: a device's next user takes it over.
    address       text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    -- A browser's keys; null for the other services.
    p256dh        text,
    auth          text,
    registered_at timestamptz NOT NULL,
    reached_at    timestamptz,
    PRIMARY KEY (kind, address)
);
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id, registered_at DESC);

CREATE TABLE device_keys (
    user_id      text COLLATE "C" NOT NULL,
    device_id    text COLLATE "C" NOT NULL,
    identity_key text        NOT NULL,
    signed_key   text        NOT NULL,
    signature    text        NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

-- A claimed key's row stays for a while without its key, so that the same key is not taken again.
CREATE TABLE one_time_keys (
    user_id    text COLLATE "C" NOT NULL,
    device_id  text COLLATE "C" NOT NULL,
    key_id     text COLLATE "C" NOT NULL,
    key        text        NOT NULL,
    -- The order in which they were published.
    no         bigint GENERATED ALWAYS AS IDENTITY,
    claimed_at timestamptz,
    PRIMARY KEY (user_id, device_id, key_id),
    FOREIGN KEY (user_id, device_id) REFERENCES device_keys ON DELETE CASCADE
);
CREATE INDEX one_time_keys_left ON one_time_keys (user_id, device_id, no) WHERE claimed_at IS NULL;
