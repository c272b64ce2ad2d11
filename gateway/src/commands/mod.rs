//! What clients may do: one file per command. Each checks, acts, answers.

mod append;
mod create_room;
mod delete;
mod edit;
mod find;
mod history;
mod join;
mod leave;
mod reply;
mod send;
mod typing;

use std::sync::Arc;

use parlor_core::command::Command;

pub(crate) use join::{exit_channel, rejoin_channel};
pub(crate) use reply::Reply;
pub(crate) use typing::{Typing, end as end_typing};

use crate::Shared;
use crate::client::Client;
use crate::vocabularies::Answer;

/// Acts on a command of an identified client, and answers it. Returns when the next command of the same client may
/// begin; the answer of a send comes later, when the log has it.
pub(crate) async fn act(shared: &Arc<Shared>, client: &Arc<Client>, command: Command, reply: Reply) {
    let Some(user) = client.user() else { return };
    match command {
        Command::Send(send) => send::act(shared, client, &user, send, reply).await,
        Command::Edit { message, room, content } => {
            edit::act(shared, &user, message, room, content, reply).await;
        }
        Command::Delete { message, room } => delete::act(shared, &user, message, room, reply).await,
        Command::Join { room } => join::act(shared, client, &user, room, reply).await,
        Command::Leave { room } => leave::act(shared, client, &user, room, reply).await,
        Command::CreateRoom(new) => create_room::act(shared, client, &user, new, reply).await,
        Command::History(history) => history::act(shared, client, &user, history, reply).await,
        Command::Typing { room, active } => typing::act(shared, client, &user, room, active, reply).await,
        Command::Heartbeat => reply.ok(&Answer::Done),
        // These two are the session's own.
        Command::Authenticate { .. } | Command::Disconnect => reply.done(),
    }
}
