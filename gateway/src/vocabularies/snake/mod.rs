//! `send_message`, `join_room`, `typing`: the vocabulary of `snake-kafka.md`. Client-facing description:
//! `docs/vocabularies/snake.md`.

pub(super) mod answers;
pub(super) mod commands;
pub(super) mod errors;
pub(super) mod events;
