//! `message.send`, `room.join`, `typing.user`: the vocabulary of `dotted-architecture.md` and `dotted-readme.md`, and
//! the complete one. Client-facing description: `docs/vocabularies/dotted.md`.

pub(super) mod answers;
pub(super) mod commands;
pub(super) mod errors;
pub(super) mod events;
mod files;
mod forms;
