//! The requests of `conversations.md`, REST Endpoints.

mod conversations;
mod messages;

pub(crate) use conversations::{ADD, DIRECT, GROUP, LIST, ONE, REMOVE};
pub(crate) use messages::{DELETE, EDIT, PAGE, REACT, SEND, STATUS, UNREACT};

/// All of them.
#[cfg(test)]
pub(crate) const ROUTES: &[&crate::vocabularies::route::Route] =
    &[&DIRECT, &GROUP, &LIST, &ONE, &ADD, &REMOVE, &PAGE, &SEND, &EDIT, &DELETE, &STATUS, &REACT, &UNREACT];
