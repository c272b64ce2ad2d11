-- As migrations/postgres.

ALTER TABLE members ADD COLUMN delivered_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN delivered_at INTEGER;

UPDATE members SET delivered_seq =
    coalesce((SELECT last_seq FROM room_counters c WHERE c.room_id = members.room_id), 0);
