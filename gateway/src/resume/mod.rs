//! A stock client that comes back goes on where it was (DESIGN.md §4): it gets what it missed, in order, with no code of
//! its own.
//!
//! While a client is connected its [`Track`] follows what has gone out to it, and has it told so behind each flush
//! (`offset`): which snapshot of its places to look at, and what has moved since. The `keeper` writes those snapshots.
//! When the client is back, on whichever gateway, `recall` reads the snapshot and `plan` decides, before CONNECT is
//! answered, whether it can be given what it missed; `replay` then does.

mod keeper;
mod offset;
mod plan;
mod recall;
mod replay;
mod track;

use std::sync::Arc;

use parlor_core::event::Ephemeral;
use parlor_core::ids::RoomId;
use parlor_socketio::CloseReason;

pub(crate) use keeper::{Due, run};
pub(crate) use recall::{Pulse, Session, recall};
pub(crate) use replay::replay;
pub(crate) use track::Track;

use crate::Shared;
use crate::client::Client;
use crate::closing::Closing;

/// The event whose one argument is a client's offset. No other event ends in a string: stock clients keep any that does.
pub(crate) const EVENT: &str = "parlor.offset";

/// The session goes on with this client: connections that it had before are closed, here and on other gateways.
async fn supersede(shared: &Arc<Shared>, client: &Client) {
    let Some(user) = client.user() else { return };
    let inbox = RoomId::inbox(&user.id);
    let (socket, by) = (client.socket.id().to_owned(), client.track.connection().to_owned());
    superseded(shared, &inbox, &socket, &by);
    if let Err(error) = shared.ports.fanout.publish(&inbox, &Ephemeral::Superseded { socket, by }).await {
        tracing::debug!(%error, "other gateways could not be told; a connection that is still there ends by itself");
    }
}

/// What this client lacks cannot be given to it: it is closed, and when it comes back it is told that it was not
/// recovered.
pub(crate) fn start_anew(shared: &Arc<Shared>, client: &Arc<Client>) {
    client.track.close();
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        // With the memory of sessions away it is not found there either, or what it lacks is counted again.
        if client.owns_session() {
            let _ = shared.ports.sessions.end(&client.private_id).await;
        }
        client.end(Closing::GapTooLong);
    });
}

/// A session of the inbox's owner goes on with the connection `by`.
pub(crate) fn superseded(shared: &Shared, inbox: &RoomId, socket: &str, by: &str) {
    let Some(user) = inbox.inbox_owner() else { return };
    for client in shared.clients.of(&user) {
        if client.socket.id() == socket && client.track.connection() != by {
            client.end(CloseReason::Superseded);
        }
    }
}
