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
use crate::vocabularies::{Answer, Vocabulary};

/// Between two signals of the same user in the same room (`dotted-architecture.md`, Optimization).
const PACE: Duration = Duration::from_secs(2);
/// An indicator ends by itself: 3 s after the last start in cafe's words (`cafe.md`, Key Features 6), 5 s in the others'
/// (`dotted-architecture.md` §10, `snake-kafka.md` Scalability 5).
fn over(vocabulary: Vocabulary) -> Duration {
    match vocabulary.as_str() {
        "cafe" => Duration::from_secs(3),
        _ => Duration::from_secs(5),
    }
}

/// The longest of them: a mark lives no longer, whoever dies.
const LONGEST: Duration = Duration::from_secs(5);

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
    // Who is blocked is not told so here: nobody hears it.
    if room.as_str().starts_with("direct_") && shared.blocks.pass(&room, &user.id).await.is_err() {
        return reply.ok(&Answer::Done);
    }
    start(shared, client, user, room).await;
    reply.ok(&Answer::Done);
}

/// Who types in a room, for those who are in it.
pub(super) async fn list(shared: &Arc<Shared>, caller: &Caller, room: &RoomId, reply: Reply) {
    let listed = async {
        super::history::present(shared, caller, room).await?;
        shared.ports.presence.typists(room).await.map_err(|error| {
            tracing::debug!(%error, "who types could not be read");
            ChatError::busy("who types cannot be told right now")
        })
    };
    match listed.await {
        Ok(users) => reply.ok(&Answer::Typists { room, users: &users }),
        Err(error) => reply.refuse(&error),
    }
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
    let over = over(client.vocabulary());
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        tokio::time::sleep(over).await;
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
    let marked = shared.ports.presence.typing(room, user, active.then_some(LONGEST)).await;
    let told = shared.ports.fanout.publish(room, &Ephemeral::Typing { user: user.clone(), active }).await;
    if let Err(error) = marked.and(told) {
        tracing::debug!(%error, "typing could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indicator_ends_in_the_time_of_its_vocabulary_and_no_mark_outlives_the_longest() {
        for vocabulary in Vocabulary::ALL {
            let seconds = if vocabulary.as_str() == "cafe" { 3 } else { 5 };
            assert_eq!(over(vocabulary), Duration::from_secs(seconds), "{}", vocabulary.as_str());
            assert!(over(vocabulary) <= LONGEST);
        }
    }
}
