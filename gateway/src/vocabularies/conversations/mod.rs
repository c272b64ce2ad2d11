//! `chat:message_send`, `presence:online`, `conversation:updated`: the vocabulary of `conversations.md`. A room is a
//! conversation. Client-facing description: `docs/vocabularies/conversations.md`.
//!
//! Encryption: `contentEncrypted` becomes content that is marked as ciphertext, which other vocabularies carry as
//! `content` with `encrypted: true`. Plain text of others is told here with `content` and `content_encrypted` the same
//! and `is_encrypted: false`, so that a client that knows the document's field alone shows it.

pub(super) mod answers;
pub(super) mod commands;
pub(super) mod errors;
pub(super) mod events;
mod forms;
pub(crate) mod rest;
