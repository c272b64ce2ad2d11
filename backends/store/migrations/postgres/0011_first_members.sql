-- A list of rooms names the first members of each: they are read in the order of joining, however many there are.
CREATE INDEX members_joined ON members (room_id, joined_at, user_id) WHERE role <> 'left';
