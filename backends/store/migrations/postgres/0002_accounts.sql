-- Accounts: names that are unique whatever their case, deleted users, sessions and their refresh tokens.

-- Usernames are ASCII, and addresses are kept in lower case.
CREATE UNIQUE INDEX users_username_folded ON users (lower(username)) WHERE username IS NOT NULL;

-- Who was deleted keeps a row, without a name, so that a direct room still has its other side.
ALTER TABLE users ADD COLUMN deleted_at timestamptz;

-- A sign-in on one device.
CREATE TABLE auth_sessions (
    id         uuid PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    -- When its newest token ends.
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX auth_sessions_user ON auth_sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX auth_sessions_expires ON auth_sessions (expires_at);

-- Every refresh token that it had: a used one is kept until it would have ended, for its reuse to be noticed.
CREATE TABLE refresh_tokens (
    -- SHA-256.
    hash       bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES auth_sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);
