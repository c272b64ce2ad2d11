//! Typing: told to the others at most every 2 s, over by itself after 5 s. Best effort: the bus alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Ephemeral};
use parlor_core::ids::RoomId;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::client::Client;
use crate::vocabularies::Answer;

/// Between two signals of the same user in the same room (`dotted-architecture.md`, Optimization).
const PACE: Duration = Duration::from_secs(2);
/// An indicator ends by itself (`dotted-architecture.md` §10, `snake-kafka.md` Scalability 5).
const OVER: Duration = Duration::from_secs(5);

/// A user typing in a room through one socket.
pub(crate) struct Typing {
    told: Instant,
    /// Rises with each start, so that an older timer does not end a newer one.
    round: u64,
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, active: bool, reply: Reply) {
    let user = &caller.user;
    let Some(client) = caller.client().filter(|client| client.is_in(&room)) else {
        return reply.refuse(&ChatError::not_found("room"));
    };
    if !active {
        end(shared, client, &room).await;
        return reply.ok(&Answer::Done);
    }
    if let Err(error) = shared.limiter.pass(&user.id, "typing", shared.config.limits.typing).await {
        return reply.refuse(&error);
    }
    start(shared, client, user, room).await;
    reply.ok(&Answer::Done);
}

async fn start(shared: &Arc<Shared>, client: &Arc<Client>, user: &Actor, room: RoomId) {
    let (tell, round) = client.with_typing(|typing| match typing.get_mut(&room) {
        Some(typing) => {
            typing.round += 1;
            let due = typing.told.elapsed() >= PACE;
            if due {
                typing.told = Instant::now();
            }
            (due, typing.round)
        }
        None => {
            typing.insert(room.clone(), Typing { told: Instant::now(), round: 0 });
            (true, 0)
        }
    });
    if tell {
        publish(shared, user, &room, true).await;
    }
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        tokio::time::sleep(OVER).await;
        let latest = client.with_typing(|typing| typing.get(&room).is_some_and(|typing| typing.round == round));
        if latest {
            end(&shared, &client, &room).await;
        }
    });
}

/// Ends a client's typing in a room, if it was.
pub(crate) async fn end(shared: &Arc<Shared>, client: &Arc<Client>, room: &RoomId) {
    if client.with_typing(|typing| typing.remove(room)).is_some()
        && let Some(user) = client.user()
    {
        publish(shared, &user, room, false).await;
    }
}

async fn publish(shared: &Arc<Shared>, user: &Actor, room: &RoomId, active: bool) {
    let marked = shared.ports.presence.typing(room, user, active.then_some(OVER)).await;
    let told = shared.ports.fanout.publish(room, &Ephemeral::Typing { user: user.clone(), active }).await;
    if let Err(error) = marked.and(told) {
        tracing::debug!(%error, "typing could not be told");
    }
}
