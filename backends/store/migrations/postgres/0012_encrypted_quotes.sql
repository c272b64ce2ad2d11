-- What a message quotes may be ciphertext. What was quoted before this is not known to be.

ALTER TABLE messages ADD COLUMN reply_to_encrypted boolean NOT NULL DEFAULT false;
