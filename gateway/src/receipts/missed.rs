//! Receipts that a client missed while it was away: after a resume it is told again whom its user's recent messages in
//! small rooms have got to. What it knew already changes nothing there: pointers only move forward.

use std::sync::Arc;

use parlor_core::event::{Ephemeral, Kind, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq, UserId};
use parlor_core::ports::Unavailable;

use crate::Shared;
use crate::client::Client;
use crate::vocabularies::News;

/// Members of a room of which this is told; in larger ones it is asked for, message by message.
const MEMBERS: u32 = 100;
/// Rooms of which the cache is read; with more, what this gateway remembers has to do.
const ROOMS: usize = 16;
/// Messages of one's own that are looked at.
const OWN: usize = 100;

/// Tells a client that goes on with its session.
pub(crate) async fn tell_missed(shared: &Arc<Shared>, client: &Arc<Client>) {
    let Some(user) = client.user() else { return };
    let small = |room: &RoomId| {
        shared
            .memberships
            .peek(room, &user.id)
            .is_some_and(|known| known.room.kind != RoomKind::Channel && known.room.member_count <= MEMBERS)
    };
    let rooms: Vec<RoomId> = client.rooms().into_iter().filter(small).collect();
    let few = rooms.len() <= ROOMS;
    for room in &rooms {
        let own = own_messages(shared, room, &user.id, few).await;
        if own.is_empty() || !client.socket.is_open() {
            continue;
        }
        if let Err(error) = tell(shared, client, room, &user.id, &own).await {
            tracing::debug!(%error, "receipts missed meanwhile cannot be told");
            return;
        }
    }
}

/// The user's own messages that are remembered, in order.
async fn own_messages(shared: &Shared, room: &RoomId, user: &UserId, read: bool) -> Vec<(Seq, MessageId)> {
    let said = shared.hub.remembered(room);
    let mut own: Vec<_> =
        said.into_iter().filter(|said| said.sender == *user).map(|said| (said.seq, said.message)).collect();
    if own.is_empty() && read {
        let cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, OWN).await.unwrap_or_default();
        let sent = cached
            .iter()
            .filter(|delivery| matches!(delivery.event.kind, Kind::MessageSent(_)) && delivery.event.actor.id == *user);
        own = sent.map(|delivery| (delivery.seq, MessageId(delivery.event.id.0))).collect();
    }
    own.drain(..own.len().saturating_sub(OWN));
    own
}

async fn tell(
    shared: &Shared,
    client: &Client,
    room: &RoomId,
    user: &UserId,
    own: &[(Seq, MessageId)],
) -> Result<(), Unavailable> {
    let limit = usize::try_from(MEMBERS).unwrap_or(usize::MAX);
    let mut members = shared.ports.contacts.member_ids(room, None, limit).await?;
    members.retain(|member| member != user);
    let pointers = shared.ports.pointers.pointers(room, &members).await?;
    for (member, to) in members.into_iter().zip(pointers) {
        let between = |after: Seq, through: Seq| -> Vec<MessageId> {
            own.iter().filter(|(seq, _)| *seq > after && *seq <= through).map(|(_, message)| *message).collect()
        };
        let delivered = (Some(to.delivered.seq), None, between(to.read.seq, to.delivered.seq), to.delivered.at);
        let read = (None, Some(to.read.seq), between(Seq::ZERO, to.read.seq), to.read.at);
        for (delivered, read, messages, at) in [delivered, read] {
            if !messages.is_empty() {
                let news = Ephemeral::Receipt { user: member.clone(), delivered, read, messages, at };
                client.tell(&News::Ephemeral { room, news: &news, at });
            }
        }
    }
    Ok(())
}
