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
use parlor_core::error::{ChatError, Code};

pub(crate) use join::{exit_channel, rejoin_channel};
pub(crate) use reply::Reply;
pub(crate) use typing::{Typing, end as end_typing};

use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Acts on a command, and answers it. Returns when the next command of the same caller may
/// begin; the answer of a send comes later, when the log has it.
pub(crate) async fn act(shared: &Arc<Shared>, caller: &Caller, command: Command, reply: Reply) {
    match command {
        Command::Send(send) => send::act(shared, caller, send, reply).await,
        Command::Edit { message, room, content, encrypted } => {
            edit::act(shared, caller, edit::Edit { message, room, content, encrypted }, reply).await;
        }
        Command::Delete { message, room } => delete::act(shared, caller, message, room, reply).await,
        Command::Join { room } => join::act(shared, caller, room, reply).await,
        Command::Leave { room } => leave::act(shared, caller, room, reply).await,
        Command::CreateRoom(new) => create_room::act(shared, caller, new, reply).await,
        Command::History(history) => history::act(shared, caller, history, reply).await,
        Command::Typing { room, active } => typing::act(shared, caller, room, active, reply).await,
        Command::Heartbeat => reply.ok(&Answer::Done),
        // These two are the session's own.
        Command::Authenticate { .. } | Command::Disconnect => reply.done(),
        Command::React { .. }
        | Command::Pin { .. }
        | Command::Pins { .. }
        | Command::Search(_)
        | Command::Sync { .. }
        | Command::Messages { .. }
        | Command::Topics { .. } => unbuilt(reply),
        Command::Delivered { .. } | Command::Read { .. } | Command::Receipts { .. } => unbuilt(reply),
        Command::Status { .. } | Command::Presence { .. } | Command::Live { .. } | Command::Typists { .. } => {
            unbuilt(reply);
        }
        Command::Room { .. }
        | Command::Rooms { .. }
        | Command::UpdateRoom { .. }
        | Command::DeleteRoom { .. }
        | Command::Members { .. }
        | Command::AddMembers { .. }
        | Command::RemoveMembers { .. }
        | Command::SetRole { .. }
        | Command::Mute { .. } => unbuilt(reply),
        Command::Ban { .. } | Command::Bans { .. } | Command::Block { .. } | Command::Blocks | Command::Report(_) => {
            unbuilt(reply);
        }
        Command::StartUpload(_)
        | Command::CompleteUpload { .. }
        | Command::CancelUpload { .. }
        | Command::FileUrl { .. } => unbuilt(reply),
        Command::Subscribe(_) | Command::Unsubscribe { .. } | Command::PushKey => unbuilt(reply),
        Command::PublishKeys(_) | Command::Keys { .. } | Command::ClaimKey { .. } => unbuilt(reply),
    }
}

/// No vocabulary has an event for it yet.
fn unbuilt(reply: Reply) {
    reply.refuse(&ChatError::new(Code::UnknownEvent, "this server cannot do that"));
}
