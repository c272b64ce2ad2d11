//! `/api/rooms` and what belongs to it: what `dotted` asks over a socket, for those who have none. Each request says what
//! the event of that name says, its path and query standing for fields of the payload, and is answered with its ack.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, MethodRouter};

use super::endpoint::Endpoint;
use crate::Shared;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// Places in a path and the fields that they are.
pub(super) const PLACES: &[(&str, &str)] =
    &[("room", "roomId"), ("message", "messageId"), ("user", "userId"), ("emoji", "emoji")];

/// Every path with its methods: method, event, status.
pub(super) type Methods = &'static [(MethodFilter, &'static str, StatusCode)];

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

pub(super) const PATHS: &[(&str, Methods)] = &[
    ("/api/rooms", &[(GET, "room.list", OK), (POST, "room.create", CREATED)]),
    ("/api/rooms/{room}", &[(GET, "room.get", OK), (PATCH, "room.update", OK), (DELETE, "room.delete", OK)]),
    ("/api/rooms/{room}/join", &[(POST, "room.join", OK)]),
    ("/api/rooms/{room}/leave", &[(POST, "room.leave", OK)]),
    ("/api/rooms/{room}/members", &[(GET, "room.members.list", OK), (POST, "room.members.add", OK)]),
    ("/api/rooms/{room}/members/{user}", &[(DELETE, "room.members.remove", OK)]),
    ("/api/rooms/{room}/members/{user}/role", &[(PUT, "room.members.role", OK)]),
    ("/api/rooms/{room}/mute", &[(PUT, "room.mute", OK), (DELETE, "room.unmute", OK)]),
    ("/api/rooms/{room}/bans", &[(GET, "room.bans", OK)]),
    ("/api/rooms/{room}/bans/{user}", &[(PUT, "room.ban", OK), (DELETE, "room.unban", OK)]),
    ("/api/rooms/{room}/messages", &[(GET, "message.history", OK), (POST, "message.send", CREATED)]),
    ("/api/rooms/{room}/messages/{message}", &[(PATCH, "message.edit", OK), (DELETE, "message.delete", OK)]),
    (
        "/api/rooms/{room}/messages/{message}/reactions/{emoji}",
        &[(PUT, "message.react", OK), (DELETE, "message.unreact", OK)],
    ),
    ("/api/rooms/{room}/messages/{message}/pin", &[(PUT, "message.pin", OK), (DELETE, "message.unpin", OK)]),
    ("/api/rooms/{room}/messages/{message}/receipts", &[(GET, "message.receipts", OK)]),
    ("/api/rooms/{room}/page", &[(GET, "message.page", OK)]),
    ("/api/rooms/{room}/events", &[(GET, "message.sync", OK)]),
    ("/api/rooms/{room}/pins", &[(GET, "message.pins", OK)]),
    ("/api/rooms/{room}/read", &[(POST, "message.read", OK)]),
    ("/api/rooms/{room}/delivered", &[(POST, "message.delivered", OK)]),
    ("/api/rooms/{room}/presence", &[(GET, "presence.room", OK)]),
    ("/api/rooms/{room}/typing", &[(GET, "typing.list", OK)]),
    ("/api/rooms/{room}/topics", &[(GET, "topics.get", OK)]),
    ("/api/search", &[(GET, "message.search", OK)]),
    ("/api/users/{user}/presence", &[(GET, "presence.last.seen", OK)]),
    ("/api/blocks", &[(GET, "user.blocks", OK)]),
    ("/api/blocks/{user}", &[(PUT, "user.block", OK), (DELETE, "user.unblock", OK)]),
    ("/api/reports", &[(POST, "report", CREATED)]),
];

pub(super) fn routes() -> Router<Arc<Shared>> {
    PATHS.iter().fold(Router::new(), |router, (path, methods)| {
        let methods = methods.iter().fold(MethodRouter::new(), |methods, (method, event, status)| {
            methods.merge(Endpoint::event(event, *status, PLACES).on(*method))
        });
        router.route(path, methods)
    })
}

#[cfg(test)]
mod tests {
    use super::PATHS;
    use crate::vocabularies::Vocabulary;

    #[test]
    fn every_path_says_what_an_event_of_dotted_says() {
        for (path, methods) in PATHS {
            for (_, event, _) in *methods {
                assert_eq!(Vocabulary::of_event(event), Some(Vocabulary::Dotted), "{path}");
            }
        }
    }
}
