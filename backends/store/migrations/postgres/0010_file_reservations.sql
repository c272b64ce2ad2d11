-- A message that is about to refer to a file reserves it; the reference is written with the message.
--
-- What older versions write beside this one is a reference from the start, as it was.

-- When the last reservation was made. One that came to nothing is over after as long as files may lie unused.
ALTER TABLE files ADD COLUMN reserved_at timestamptz;
-- False: reserved. The message may be on its way, or never have been.
ALTER TABLE file_messages ADD COLUMN stored boolean NOT NULL DEFAULT true;
