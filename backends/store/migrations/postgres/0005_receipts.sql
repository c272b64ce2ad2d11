-- How far messages have got to members. What a member has read was there before; who was a member before this has had
-- everything delivered so far.

ALTER TABLE members ADD COLUMN delivered_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN delivered_at timestamptz;

UPDATE members m SET delivered_seq = c.last_seq FROM room_counters c WHERE c.room_id = m.room_id;
