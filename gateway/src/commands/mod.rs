//! What clients may do: one file per command. Each checks, acts, answers.

mod add_members;
mod alter;
mod append;
mod arrival;
mod ban;
mod bans;
mod block;
mod blocks;
mod cancel_upload;
mod change;
mod complete_upload;
mod count;
mod create_room;
mod delete;
mod delete_room;
mod devices;
mod direct;
mod edit;
mod erase;
mod file_url;
mod find;
mod history;
mod join;
mod keys;
mod leave;
mod live;
mod members;
mod mute;
mod overlay;
mod page;
mod people;
mod pin;
mod pins;
mod pointing;
mod quotes;
mod react;
mod receipts;
mod redundant;
mod remove_members;
mod reply;
mod report;
mod room;
mod rooms;
mod search;
mod send;
mod set_role;
mod start_upload;
mod sync;
mod thread;
mod topics;
mod typing;
mod update_room;
mod veil;

use std::sync::Arc;

use parlor_core::command::Command;

pub(crate) use append::{answer, append, decide, relay};
pub(crate) use devices::key as push_key;
pub(crate) use erase::erase;
pub(crate) use find::place as place_of;
pub(crate) use history::readable;
pub(crate) use join::{end_lease, exit_channel, new_room, rejoin_channel, reserved};
pub(crate) use overlay::show_newest;
pub(crate) use pointing::has_sent;
pub(crate) use reply::Reply;
pub(crate) use typing::{Typing, end as end_typing};

use crate::Shared;
use crate::caller::Caller;
use crate::vocabularies::Answer;

/// Acts on a command, and answers it. Returns when the next command of the same caller may
/// begin; the answer of a send comes later, when the log has it.
pub(crate) async fn act(shared: &Arc<Shared>, caller: &Caller, mut command: Command, reply: Reply) {
    if let Some(room) = command.room_mut().filter(|room| room.is_loose_direct()) {
        match direct::meant(shared, caller, room).await {
            Ok(meant) => *room = meant,
            Err(error) => return reply.refuse(&error),
        }
    }
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
        Command::React { message, room, emoji, on } => {
            react::act(shared, caller, react::Reaction { message, room, emoji, on }, reply).await;
        }
        Command::Pin { message, room, on } => pin::act(shared, caller, message, room, on, reply).await,
        Command::Pins { room } => pins::act(shared, caller, room, reply).await,
        Command::Search(search) => search::act(shared, caller, search, reply).await,
        Command::Thread { message, room, after, limit } => {
            thread::act(shared, caller, thread::Thread { message, room, after, limit }, reply).await;
        }
        Command::Sync { room, after, limit } => sync::act(shared, caller, room, after, limit, reply).await,
        Command::Messages { room, limit, offset } => count::act(shared, caller, room, limit, offset, reply).await,
        Command::Topics { room, limit } => topics::act(shared, caller, room, limit, reply).await,
        Command::Live { room } => live::act(shared, caller, room, reply).await,
        Command::Room { room } => room::act(shared, caller, room, reply).await,
        Command::Rooms { limit, offset } => rooms::act(shared, caller, limit, offset, reply).await,
        Command::UpdateRoom { room, patch } => update_room::act(shared, caller, room, patch, reply).await,
        Command::DeleteRoom { room } => delete_room::act(shared, caller, room, reply).await,
        Command::Members { room, after, limit } => members::act(shared, caller, room, after, limit, reply).await,
        Command::AddMembers { room, users } => add_members::act(shared, caller, room, users, reply).await,
        Command::RemoveMembers { room, users } => remove_members::act(shared, caller, room, users, reply).await,
        Command::SetRole { room, user, role } => set_role::act(shared, caller, room, user, role, reply).await,
        Command::Mute { room, on } => mute::act(shared, caller, room, on, reply).await,
        Command::Ban { room, user, until, reason, on } => {
            ban::act(shared, caller, ban::Ban { room, user, until, reason, on }, reply).await;
        }
        Command::Bans { room } => bans::act(shared, caller, room, reply).await,
        Command::Block { user, on } => block::act(shared, caller, user, on, reply).await,
        Command::Blocks => blocks::act(shared, caller, reply).await,
        Command::Report(report) => report::act(shared, caller, report, reply).await,
        Command::StartUpload(new) => start_upload::act(shared, caller, new, reply).await,
        Command::CompleteUpload { upload } => complete_upload::act(shared, caller, upload, reply).await,
        Command::CancelUpload { upload } => cancel_upload::act(shared, caller, upload, reply).await,
        Command::FileUrl { file } => file_url::act(shared, caller, file, reply).await,
        Command::Subscribe(address) => devices::subscribe(shared, caller, address, reply).await,
        Command::Unsubscribe { address } => devices::unsubscribe(shared, caller, &address, reply).await,
        Command::PushKey => devices::key(shared, reply),
        Command::PublishKeys(bundle) => keys::publish(shared, caller, &bundle, reply).await,
        Command::Keys { users } => keys::look_up(shared, caller, &users, reply).await,
        Command::ClaimKey { user, device } => keys::claim(shared, caller, &user, device, reply).await,
        Command::Delivered { room, messages } => {
            pointing::act(shared, caller, pointing::Pointing { room, messages, read: false }, reply).await;
        }
        Command::Read { room, messages } => {
            pointing::act(shared, caller, pointing::Pointing { room, messages, read: true }, reply).await;
        }
        Command::Receipts { message, room } => receipts::act(shared, caller, message, room, reply).await,
        Command::Status { status } => people::set_status(shared, caller, status, reply).await,
        Command::Presence { users } => people::look(shared, caller, &users, reply).await,
        Command::Typists { room } => typing::list(shared, caller, &room, reply).await,
    }
}
