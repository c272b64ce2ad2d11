-- As migrations/postgres.

CREATE INDEX members_joined ON members (room_id, joined_at, user_id) WHERE role <> 'left';
