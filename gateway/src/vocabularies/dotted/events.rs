//! News → server events: those of the connection; those of rooms are in the files beside.

mod logged;
mod told;

use parlor_core::error::Code;
use parlor_core::ids::UserId;
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::errors;
use super::forms::{MessageForm, SummaryForm};
use crate::vocabularies::outgoing::{News, Nothing, Outgoing, TOKEN_GRACE, server_full};
use crate::vocabularies::snake;

#[derive(Serialize)]
struct Waiting {
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
    rooms: Vec<SummaryForm<'a>>,
}

#[derive(Serialize)]
struct Unauthorized<'a> {
    error: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expired {
    grace_seconds: u64,
}

#[derive(Serialize)]
struct Closing {
    code: u16,
    reason: &'static str,
}

pub(in crate::vocabularies) fn render(news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
    match *news {
        News::Delivery(delivery) => logged::render(delivery),
        News::Ephemeral { room, news, .. } => told::render(room, news),
        News::Authenticated { user, rooms } => smallvec![Outgoing::new(
            "connection.authenticated",
            &Authenticated {
                user_id: &user.id,
                user_name: &user.name,
                rooms: rooms.iter().map(SummaryForm::from).collect(),
            },
        )],
        News::AskToken => smallvec![Outgoing::new("connection.authenticate", &Nothing {})],
        News::Unauthorized { message } => {
            let body = Unauthorized { error: Code::Unauthorized.as_str(), message };
            smallvec![Outgoing::new("connection.unauthorized", &body)]
        }
        News::TokenExpired => {
            smallvec![Outgoing::new("token.expired", &Expired { grace_seconds: TOKEN_GRACE.as_secs() })]
        }
        News::Closing(reason) => {
            let body = Closing { code: reason.code(), reason: reason.text() };
            smallvec![Outgoing::new("connection.disconnect", &body)]
        }
        News::Failed(error) => smallvec![errors::failed(error)],
        // Sent before the socket's vocabulary is known: in snake's words too.
        News::ServerFull => smallvec![errors::failed(&server_full()), snake::errors::failed(&server_full())],
        News::Waited(message) => smallvec![Outgoing::new("message.received", &MessageForm::waited(message))],
        News::Waiting { count } => smallvec![Outgoing::new("message.waiting", &Waiting { count })],
        // Its ack, and what stock clients say of themselves, tell enough.
        News::Heartbeat | News::Recovered | News::Entered { .. } => SmallVec::new(),
    }
}
