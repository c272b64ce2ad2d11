//! News → server events: those of the connection; those of conversations are in the files beside.

mod logged;
mod told;

use parlor_core::error::Code;
use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::errors;
use super::forms::MessageForm;
use crate::vocabularies::outgoing::{News, Nothing, Outgoing, TOKEN_EXPIRED, TOKEN_GRACE, server_full};

#[derive(Serialize)]
struct Waiting {
    count: u64,
}

pub(in crate::vocabularies) fn render(news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
    smallvec![match *news {
        News::Delivery(delivery) => return logged::render(delivery).into_iter().collect(),
        News::Ephemeral { room, news, at } => return told::render(room, news, at),
        News::Waited(message) => Outgoing::new("chat:message_received", &MessageForm::stored(message)),
        News::Waiting { count } => Outgoing::new("messages:waiting", &Waiting { count }),
        // A stock client raises none on its socket by itself (`conversations.md`, WebSocket Reconnection).
        News::Recovered => Outgoing::new("reconnect", &Nothing {}),
        News::Unauthorized { message } => errors::notice(Code::Unauthorized.as_str(), message),
        News::TokenExpired => {
            let grace = TOKEN_GRACE.as_secs();
            let message = format!("Your token has expired. Present a new one within {grace} seconds.");
            errors::notice(TOKEN_EXPIRED, &message)
        }
        News::Failed(error) => errors::failed(error),
        News::ServerFull => errors::failed(&server_full()),
        // The transport says why it closes, and its clients read their conversations by REST.
        News::Closing(_) | News::Authenticated { .. } | News::AskToken | News::Heartbeat | News::Entered { .. } => {
            return SmallVec::new();
        }
    }]
}
