//! The requests of `conversations.md`, REST Endpoints.

mod conversations;
mod messages;

use crate::vocabularies::route::Route;

pub(crate) use conversations::{ADD, DIRECT, GROUP, LIST, ONE, REMOVE};
pub(crate) use messages::{DELETE, EDIT, PAGE, REACT, SEND, STATUS, UNREACT};

/// Whether a route's answer has messages that say how far each has got.
pub(in crate::vocabularies) fn shows_status(route: &Route) -> bool {
    [&PAGE, &LIST, &ONE].iter().any(|shows| shows.entry.name == route.entry.name)
}

/// Whether a route's answer is a list that names the first participants of each conversation.
pub(in crate::vocabularies) fn shows_participants(route: &Route) -> bool {
    LIST.entry.name == route.entry.name
}

/// All of them.
#[cfg(test)]
pub(crate) const ROUTES: &[&Route] =
    &[&DIRECT, &GROUP, &LIST, &ONE, &ADD, &REMOVE, &PAGE, &SEND, &EDIT, &DELETE, &STATUS, &REACT, &UNREACT];
