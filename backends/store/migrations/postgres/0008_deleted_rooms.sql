-- What was said in a deleted room is removed by upkeep. The row stays, for its id is spent.

-- Nothing is left to remove, and nothing comes any more.
ALTER TABLE rooms ADD COLUMN emptied boolean NOT NULL DEFAULT false;
CREATE INDEX rooms_to_empty ON rooms (deleted_at) WHERE deleted_at IS NOT NULL AND NOT emptied;

-- Those of a deleted room are given up with its messages.
CREATE INDEX files_room ON files (room_id) WHERE message_id IS NOT NULL;
