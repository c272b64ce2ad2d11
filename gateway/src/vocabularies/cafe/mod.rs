//! `message:send`, `join:cafe`, `users:update`: the vocabulary of `cafe.md`. A room is a café, its id the `cafeId`.
//! Client-facing description: `docs/vocabularies/cafe.md`.

pub(super) mod answers;
pub(super) mod commands;
pub(super) mod events;
mod forms;
pub(crate) mod rest;
