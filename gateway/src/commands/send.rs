//! Send a message.

use std::sync::Arc;

use parlor_core::command::Send;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Event, Kind, Message, Quote, RoomKind};
use parlor_core::ids::{MessageId, RoomId, Seq};
use parlor_core::ports::limits::{Ask, Remember, Said};
use parlor_core::ports::log::Appended;
use sha2::Digest;
use uuid::Uuid;

use super::{Reply, append, has_sent, join, typing};
use crate::Shared;
use crate::caller::Caller;
use crate::files;
use crate::hub::{self, Heard, Place, Words};
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, send: Send, reply: Reply) {
    let accepted = accept(shared, caller, &send).await;
    let (id, pending, member) = match accepted {
        Ok((id, pending, member)) => (id, pending, member.then(|| caller.user.id.clone())),
        Err(error) => return reply.refuse(&error),
    };
    if let Some(client) = caller.client() {
        typing::end(shared, client, &send.room).await;
    }
    // The next event need not wait for this answer: what was enqueued is in order.
    let shared = shared.clone();
    tokio::spawn(async move {
        let Send { room, temp_id, .. } = send;
        let outcome = match append::answer(&shared, &room, pending).await {
            Ok(appended) => Ok(first(&shared, &room, id, temp_id.is_some(), appended).await),
            Err(error) => Err(error),
        };
        // Who answers has read what they answer. Where the room is live, that is noted when the message comes back: of
        // one that was sent again only the first record does.
        if shared.hub.stream(&room) == 0
            && let (Some(seq), Some(user)) = (outcome.as_ref().ok().and_then(|appended| appended.seq), member)
        {
            has_sent(&shared, &room, &user, seq);
        }
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

/// Where a message is for everybody: at its first record. One that was sent again is logged again, and left out by
/// whoever reads the log.
async fn first(shared: &Shared, room: &RoomId, id: MessageId, may_be_again: bool, appended: Appended) -> Appended {
    let Some(seq) = appended.seq.filter(|_| may_be_again) else { return appended };
    let heard = shared.hub.recent.find(id).and_then(|place| place.seq);
    // Where the room is not live, nobody here would have heard of it.
    if heard.is_some_and(|heard| heard >= seq) || (heard.is_none() && shared.hub.stream(room) != 0) {
        return appended;
    }
    let lately = shared.hub.lately(room);
    if let Some(delivery) = lately.iter().find(|delivery| delivery.event.id == id.into()) {
        return Appended { seq: Some(delivery.seq), time: delivery.time };
    }
    match shared.ports.store.message(id).await {
        Ok(Some(stored)) if stored.seq < seq => Appended { seq: Some(stored.seq), time: stored.time },
        _ => Appended { seq: heard.or(Some(seq)), ..appended },
    }
}

/// Checks, and enqueues in the socket's order.
async fn accept(
    shared: &Arc<Shared>,
    caller: &Caller,
    send: &Send,
) -> Result<(MessageId, parlor_core::ports::log::Pending, bool), ChatError> {
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
    let spam = shared.config.limits.spam.filter(|_| send.room.is_of_channel());
    let digest = spam.map(|_| digest(&[&send.content])).unwrap_or_default();
    let token = send.temp_id.as_deref().filter(|_| spam.is_some()).map(|temp_id| digest_of_token(caller, temp_id));
    let said = spam.map(|window| Said {
        key: send.room.as_str(),
        digest: &digest,
        token: token.as_deref().unwrap_or_default(),
        window,
    });
    let ask = Ask { user: &user.id, tier: "message", limit, room: Some(&send.room), remember, said };
    let admission = shared.limiter.admit(ask).await?;
    if admission.as_ref().is_some_and(|admission| admission.repeated) {
        metrics::counter!("parlor_spam_refused_total").increment(1);
        return Err(ChatError::new(Code::Spam, "you have said just that a moment ago"));
    }
    let version = admission.as_ref().and_then(|admission| admission.version);
    let id = admission.and_then(|admission| admission.id).unwrap_or(proposed);

    let kind = may_send(shared, caller, &send.room, version).await?;
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
    Ok((id, pending, kind != RoomKind::Channel))
}

/// Who may send: members by row; in a channel, whoever is in it on this socket, and requests.
pub(super) async fn may_send(
    shared: &Arc<Shared>,
    caller: &Caller,
    room: &RoomId,
    version: Option<u64>,
) -> Result<RoomKind, ChatError> {
    let standing = match shared.memberships.standing(room, &caller.user.id, version).await? {
        Some(standing) => standing,
        // The first message to a partner makes the room.
        None => join::begin(shared, caller, room).await?.ok_or_else(|| ChatError::not_found("room"))?,
    };
    let kind = standing.room.kind;
    match kind {
        RoomKind::Channel => standing.admits(caller)?,
        RoomKind::Direct | RoomKind::Group if standing.role().is_none() => return Err(ChatError::not_found("room")),
        RoomKind::Direct => shared.blocks.pass(room, &caller.user.id).await?,
        RoomKind::Group => {}
    }
    Ok(kind)
}

/// What tells a resend under a tempId that is no UUID from a new message.
fn resend_key(user: &Actor, lineage: &str, room: &RoomId, temp_id: &str, content: &str) -> String {
    digest(&[user.id.as_str(), lineage, room.as_str(), temp_id, content])
}

/// What a resend has in common with the first sending: a UUID as tempId is one everywhere, another in its lineage.
fn digest_of_token(caller: &Caller, temp_id: &str) -> String {
    if Uuid::try_parse(temp_id).is_ok() { digest(&[temp_id]) } else { digest(&[caller.lineage(), temp_id]) }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The quoted message as it is now: from what was heard here, else from the recent cache, else from the store. Of one
/// that was deleted, or that nobody can tell of now, the id alone.
async fn quote(shared: &Arc<Shared>, room: &RoomId, message: MessageId) -> Quote {
    let nothing = Quote { message, content: None, encrypted: false, sender: None };
    let says = |Words { content, encrypted }: Words, sender| Quote {
        message,
        content: Some(content),
        encrypted,
        sender: Some(sender),
    };
    let mut newer = None;
    for here in [true, false] {
        let deliveries = if here {
            shared.hub.lately(room)
        } else {
            let most = shared.ports.fanout.remembers();
            shared.ports.fanout.recent(room, Seq::ZERO, Seq::MAX, most).await.unwrap_or_default()
        };
        match hub::heard(&deliveries, message) {
            Some(Heard::Deleted) => return nothing,
            Some(Heard::Sent(delivery, words)) => {
                return says(newer.unwrap_or(words), delivery.event.actor.id.clone());
            }
            Some(Heard::Edited(words)) => newer = newer.or(Some(words)),
            None => {}
        }
    }
    match shared.ports.store.message(message).await {
        Ok(Some(stored)) if stored.room == *room && stored.deleted_at.is_none() => {
            says(newer.unwrap_or_else(|| Words::of(&stored.message)), stored.sender.id)
        }
        _ => nothing,
    }
}
