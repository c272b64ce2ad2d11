-- Which messages carry a file, so that it goes with the last of them.
--
-- References from before this are not here: such a file stays for as long as the first message that refers to it.

CREATE TABLE file_messages (
    file_id    uuid NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (file_id, message_id)
);
CREATE INDEX file_messages_by_message ON file_messages (message_id);
