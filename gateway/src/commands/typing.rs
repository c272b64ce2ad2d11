//! Typing: told to the others at most every 2 s (in conversations each second), over by itself after 5 s. Best effort:
//! the bus alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Ephemeral};
use parlor_core::ids::RoomId;

use super::{Reply, rooms};
use crate::Shared;
use crate::caller::Caller;
use crate::client::Client;
use crate::config::Rooms;
use crate::vocabularies::{Answer, Vocabulary};

/// Between two signals of the same user in the same room (`dotted-architecture.md`, Optimization).
const PACE: Duration = Duration::from_secs(2);
/// In conversations: a client repeats it about once a second, and who hears nothing for 3 s hides it (`conversations.md`,
/// Scenario 3).
const PACE_OF_REPEATS: Duration = Duration::from_millis(800);
/// An indicator ends by itself: 5 s after the last start (`dotted-architecture.md` §10, `snake-kafka.md` Scalability 5).
const OVER: Duration = Duration::from_secs(5);

/// How often a vocabulary's starts are passed on.
fn pace(vocabulary: Vocabulary) -> Duration {
    if vocabulary == Vocabulary::Conversations { PACE_OF_REPEATS } else { PACE }
}

/// When it ends in a vocabulary's words: cafe's time is a setting, of 3 s (`cafe.md`, Configuration).
fn over(vocabulary: Vocabulary, rooms: &Rooms) -> Duration {
    match vocabulary.as_str() {
        "cafe" => rooms.cafe_typing,
        _ => OVER,
    }
}

/// The longest of these times: a mark lives no longer, whoever dies.
fn longest(rooms: &Rooms) -> Duration {
    rooms.cafe_typing.max(OVER)
}

/// Where a user types through one socket.
#[derive(Default)]
pub(crate) struct Typing {
    rooms: HashMap<RoomId, Started>,
    /// Starts so far, in all rooms: it rises for as long as the socket lives, so that an older timer does not end a newer
    /// typing, whatever ended between them.
    rounds: u64,
}

struct Started {
    told: Instant,
    /// The latest start.
    round: u64,
}

impl Typing {
    /// Takes note of a start. Returns whether the others are to be told, and which start it is.
    fn start(&mut self, room: &RoomId, pace: Duration, now: Instant) -> (bool, u64) {
        self.rounds += 1;
        let round = self.rounds;
        let Some(started) = self.rooms.get_mut(room) else {
            self.rooms.insert(room.clone(), Started { told: now, round });
            return (true, round);
        };
        started.round = round;
        let due = now.saturating_duration_since(started.told) >= pace;
        if due {
            started.told = now;
        }
        (due, round)
    }

    fn is_on(&self, room: &RoomId) -> bool {
        self.rooms.contains_key(room)
    }

    /// Whether this start is what the user still types by.
    fn is_latest(&self, room: &RoomId, round: u64) -> bool {
        self.rooms.get(room).is_some_and(|started| started.round == round)
    }

    /// Takes note of an end. True: they typed there.
    fn stop(&mut self, room: &RoomId) -> bool {
        self.rooms.remove(room).is_some()
    }
}

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, room: RoomId, active: bool, reply: Reply) {
    let user = &caller.user;
    let Some(client) = caller.client().filter(|client| client.is_in(&room)) else {
        return reply.refuse(&rooms::refusal(shared, caller, &room).await);
    };
    if !active {
        end(shared, client, &room).await;
        return reply.ok(&Answer::Done);
    }
    // Who only goes on typing repeats it, as conversations' clients do for as long as it lasts.
    let goes_on = client.vocabulary() == Vocabulary::Conversations && client.with_typing(|typing| typing.is_on(&room));
    if !goes_on && let Err(error) = shared.limiter.pass(&user.id, "typing", shared.config.limits.typing).await {
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
    let pace = pace(client.vocabulary());
    let (tell, round) = client.with_typing(|typing| typing.start(&room, pace, Instant::now()));
    if tell {
        publish(shared, user, &room, true).await;
    }
    let over = over(client.vocabulary(), &shared.config.rooms);
    let (shared, client) = (shared.clone(), client.clone());
    tokio::spawn(async move {
        tokio::time::sleep(over).await;
        if client.with_typing(|typing| typing.is_latest(&room, round)) {
            end(&shared, &client, &room).await;
        }
    });
}

/// Ends a client's typing in a room, if it was.
pub(crate) async fn end(shared: &Arc<Shared>, client: &Arc<Client>, room: &RoomId) {
    if client.with_typing(|typing| typing.stop(room))
        && let Some(user) = client.user()
    {
        publish(shared, &user, room, false).await;
    }
}

async fn publish(shared: &Arc<Shared>, user: &Actor, room: &RoomId, active: bool) {
    let marked = shared.ports.presence.typing(room, user, active.then(|| longest(&shared.config.rooms))).await;
    let told = shared.ports.fanout.publish(room, &Ephemeral::Typing { user: user.clone(), active }).await;
    if let Err(error) = marked.and(told) {
        tracing::debug!(%error, "typing could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_ends_no_typing_that_began_after_it() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let (room, other) = (RoomId::trusted("group_1"), RoomId::trusted("group_2"));
        let (_, first) = typing.start(&room, PACE, now);
        assert!(typing.stop(&room) && !typing.stop(&room));
        let (told, second) = typing.start(&room, PACE, now + Duration::from_secs(3));
        assert!(told, "who starts anew is told at once");
        assert!(!typing.is_latest(&room, first), "the first start's timer is over nothing");
        assert!(typing.is_latest(&room, second));
        typing.start(&other, PACE, now);
        assert!(typing.is_latest(&room, second), "what is typed elsewhere changes nothing here");
        let (told, third) = typing.start(&room, PACE, now + Duration::from_secs(4));
        assert!(!told, "the others were told a second ago");
        assert!(!typing.is_latest(&room, second) && typing.is_latest(&room, third));
    }

    #[test]
    fn an_indicator_ends_in_the_time_of_its_vocabulary_and_no_mark_outlives_the_longest() {
        let set = Rooms { cafe_typing: Duration::from_secs(8), ..Rooms::default() };
        for (rooms, cafe) in [(Rooms::default(), 3), (set, 8)] {
            for vocabulary in Vocabulary::ALL {
                let seconds = if vocabulary.as_str() == "cafe" { cafe } else { 5 };
                assert_eq!(over(vocabulary, &rooms), Duration::from_secs(seconds), "{}", vocabulary.as_str());
                assert!(over(vocabulary, &rooms) <= longest(&rooms));
            }
        }
    }
}
