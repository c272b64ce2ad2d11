//! Send a message.

use std::sync::Arc;

use parlor_core::command::Send;
use parlor_core::error::ChatError;
use parlor_core::event::{Actor, Event, Kind, Message, Quote, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::limits::{Ask, Remember};
use sha2::Digest;
use uuid::Uuid;

use super::{Reply, append, join, typing};
use crate::Shared;
use crate::caller::Caller;
use crate::files;
use crate::hub::Place;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, send: Send, reply: Reply) {
    let accepted = accept(shared, caller, &send).await;
    let (id, pending) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return reply.refuse(&error),
    };
    if let Some(client) = caller.client() {
        typing::end(shared, client, &send.room).await;
    }
    // The next event need not wait for this answer: what was enqueued is in order.
    let shared = shared.clone();
    tokio::spawn(async move {
        let Send { room, temp_id, .. } = send;
        let outcome = append::answer(&shared, &room, pending).await;
        metrics::histogram!("parlor_send_to_ack_seconds").record(reply.began().elapsed().as_secs_f64());
        reply.settle(outcome.map(|appended| Answer::Sent {
            message: id,
            room: &room,
            time: appended.time,
            seq: appended.seq,
            temp_id: temp_id.as_deref(),
        }));
    });
}

/// Checks, and enqueues in the socket's order.
async fn accept(
    shared: &Arc<Shared>,
    caller: &Caller,
    send: &Send,
) -> Result<(MessageId, parlor_core::ports::log::Pending), ChatError> {
    let user = &caller.user;
    let temp_uuid = send.temp_id.as_deref().and_then(|temp_id| Uuid::try_parse(temp_id).ok());
    let fixed = temp_uuid.map(|temp_id| MessageId::of_resend(&user.id, &send.room, temp_id));
    let proposed = fixed.unwrap_or_else(MessageId::now);
    let key = match (&send.temp_id, fixed) {
        (Some(temp_id), None) => Some(resend_key(user, caller.lineage(), &send.room, temp_id, &send.content)),
        _ => None,
    };
    let limit = shared.config.limits.message;
    let remember = key.as_deref().map(|key| Remember { key, id: proposed });
    let ask = Ask { user: &user.id, tier: "message", limit, room: Some(&send.room), remember };
    let admission = shared.limiter.admit(ask).await?;
    let version = admission.as_ref().and_then(|admission| admission.version);
    let id = admission.and_then(|admission| admission.id).unwrap_or(proposed);

    may_send(shared, caller, &send.room, version).await?;
    files::refer(shared, &user.id, send, id).await?;
    let reply_to = match send.reply_to {
        Some(message) => Some(quote(shared, &send.room, message).await),
        None => None,
    };
    let message = Message {
        content: send.content.clone(),
        kind: send.kind,
        reply_to,
        metadata: send.metadata.clone(),
        mentions: send.mentions.clone(),
        encrypted: send.encrypted,
        temp_id: send.temp_id.clone(),
    };
    let event = Event { id: id.into(), room: send.room.clone(), actor: user.clone(), kind: Kind::MessageSent(message) };
    let pending = append::append(shared, &event)?;
    shared.hub.recent.note(id, Place { room: event.room, sender: event.actor.id, seq: None, deleted: false });
    Ok((id, pending))
}

/// Who may send: members by row; in a channel, whoever is in it on this socket, and requests.
pub(super) async fn may_send(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    version: Option<u64>,
) -> Result<(), ChatError> {
    let standing = match shared.memberships.standing(room, &caller.user.id, version).await? {
        Some(standing) => standing,
        // The first message to a partner makes the room.
        None => join::direct(shared, caller, room).await?.ok_or_else(|| ChatError::not_found("room"))?,
    };
    match standing.room.kind {
        RoomKind::Channel => standing.admits(caller),
        RoomKind::Direct | RoomKind::Group if standing.role().is_none() => Err(ChatError::not_found("room")),
        RoomKind::Direct => shared.blocks.pass(room, &caller.user.id).await,
        RoomKind::Group => Ok(()),
    }
}

/// What tells a resend under a tempId that is no UUID from a new message.
fn resend_key(user: &Actor, lineage: &str, room: &RoomId, temp_id: &str, content: &str) -> String {
    let mut hash = sha2::Sha256::new();
    for part in [user.id.as_str(), lineage, room.as_str(), temp_id, content] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The quoted message: from the recent cache, else from the store; if neither answers, its id alone.
async fn quote(shared: &Arc<Shared>, room: &RoomId, message: MessageId) -> Quote {
    let cached = shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, 100).await.unwrap_or_default();
    for delivery in cached.iter().rev() {
        match &delivery.event.kind {
            Kind::MessageSent(sent) if delivery.event.id == message.into() => {
                let (content, sender) = (Some(sent.content.clone()), Some(delivery.event.actor.id.clone()));
                return Quote { message, content, sender };
            }
            Kind::MessageDeleted { message: gone } if *gone == message => {
                return Quote { message, content: None, sender: None };
            }
            _ => {}
        }
    }
    match shared.ports.store.message(message).await {
        Ok(Some(stored)) if stored.room == *room && stored.deleted_at.is_none() => {
            Quote { message, content: Some(stored.message.content), sender: Some(stored.sender.id) }
        }
        _ => Quote { message, content: None, sender: None },
    }
}
