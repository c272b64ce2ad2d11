//! Send a message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::command::Send;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Event, Kind, Message, Quote, RoomKind};
use parlor_core::ids::{EventId, MessageId, RoomId, Seq};
use parlor_core::ports::limits::{Ask, Remember, Said};
use parlor_core::ports::log::{Appended, Pending};
use sha2::Digest;
use uuid::Uuid;

use super::{Reply, append, has_sent, join, typing};
use crate::Shared;
use crate::caller::Caller;
use crate::files;
use crate::hub::{self, Heard, Place, Words};
use crate::vocabularies::Answer;

/// How long a reply waits for what it quotes to come back from the log.
const QUOTE_PATIENCE: Duration = Duration::from_millis(200);
const QUOTE_LOOK: Duration = Duration::from_millis(20);

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, send: Send, reply: Reply) {
    let accepted = accept(shared, caller, &send).await;
    let Accepted { id, pending, member, again } = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return reply.refuse(&error),
    };
    let member = member.then(|| caller.user.id.clone());
    if let Some(client) = caller.client() {
        typing::end(shared, client, &send.room).await;
    }
    // The next event need not wait for this answer: what was enqueued is in order.
    let shared = shared.clone();
    tokio::spawn(async move {
        let Send { room, temp_id, .. } = send;
        let outcome = match append::answer(&shared, &room, pending).await {
            Ok(appended) => Ok(first(&shared, &room, id, temp_id.as_ref().map(|_| again), appended).await),
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

/// A message that is on its way into the log.
struct Accepted {
    id: MessageId,
    pending: Pending,
    /// Its sender keeps pointers in the room.
    member: bool,
    again: Again,
}

/// Whether a message was sent before, as the fan-out's memory says when it is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Nothing is known of that.
    Unknown,
    /// Its id was given to an earlier one.
    Known,
    /// The earlier one is here.
    At(Seq),
}

/// Where a message is for everybody: at its first record. One that was sent again is logged again, and left out by
/// whoever reads the log. `again`: `None` if it cannot have been.
async fn first(shared: &Shared, room: &RoomId, id: MessageId, again: Option<Again>, appended: Appended) -> Appended {
    let (Some(seq), Some(again)) = (appended.seq, again) else { return appended };
    let heard = match again {
        Again::At(first) => Some(first),
        Again::Unknown | Again::Known => shared.hub.recent.find(id).and_then(|place| place.seq),
    };
    // Where the room is not live, nobody here would have heard of it.
    let unheard = heard.is_none() && again == Again::Unknown && shared.hub.stream(room) != 0;
    if unheard || heard.is_some_and(|heard| heard >= seq) {
        return appended;
    }
    let lately = shared.hub.lately(room);
    if let Some(delivery) = lately.iter().find(|delivery| delivery.event.id == id.into()) {
        return Appended { seq: Some(delivery.seq), time: delivery.time };
    }
    match shared.ports.store.message(id).await {
        Ok(Some(stored)) if stored.seq < seq => return Appended { seq: Some(stored.seq), time: stored.time },
        _ => {}
    }
    let Some(heard) = heard else { return appended };
    // It is not stored yet: the fan-out, which knows the place, has it in its cache.
    let cached = shared.ports.fanout.recent(room, Seq(heard.0.saturating_sub(1)), heard, 1).await.unwrap_or_default();
    let time = cached.first().map_or(appended.time, |delivery| delivery.time);
    Appended { seq: Some(heard), time }
}

/// Checks, and enqueues in the socket's order.
async fn accept(shared: &Arc<Shared>, caller: &Caller, send: &Send) -> Result<Accepted, ChatError> {
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
    // In the same round trip: a resend through another gateway is answered with the first one's place.
    let first = fixed.map(EventId::from);
    let ask = Ask { user: &user.id, tier: "message", limit, room: Some(&send.room), first, remember, said };
    let admission = shared.limiter.admit(ask).await?;
    if admission.as_ref().is_some_and(|admission| admission.repeated) {
        metrics::counter!("parlor_spam_refused_total").increment(1);
        return Err(ChatError::new(Code::Spam, "you have said just that a moment ago"));
    }
    let admission = admission.unwrap_or_default();
    let (version, id) = (admission.version, admission.id.unwrap_or(proposed));
    let again = match admission.first {
        Some(first) => Again::At(first),
        None if id != proposed => Again::Known,
        None => Again::Unknown,
    };

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
    let place = Place { room: event.room, sender: event.actor.id, system: false, seq: None, deleted: false };
    shared.hub.recent.note(id, place);
    Ok(Accepted { id, pending, member: kind != RoomKind::Channel, again })
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
        RoomKind::Direct | RoomKind::Group if standing.role().is_none() => return Err(standing.refusal()),
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

/// The quoted message as it is now. Of one that was deleted, or that nobody can tell of now, the id alone. One that was
/// accepted here and has not come back yet is waited for.
async fn quote(shared: &Arc<Shared>, room: &RoomId, message: MessageId) -> Quote {
    let until = Instant::now() + QUOTE_PATIENCE;
    loop {
        // Before it is looked for: what has come back by now is found.
        let place = shared.hub.recent.find(message);
        let coming = place.is_some_and(|place| place.room == *room && place.seq.is_none() && !place.deleted);
        match told_of(shared, room, message).await {
            Some(quote) => return quote,
            None if coming && Instant::now() < until => tokio::time::sleep(QUOTE_LOOK).await,
            None => return Quote { message, content: None, encrypted: false, sender: None },
        }
    }
}

/// A quoted message from what was heard here, else from the recent cache, else from the store. `None`: none of these can
/// tell of it.
async fn told_of(shared: &Arc<Shared>, room: &RoomId, message: MessageId) -> Option<Quote> {
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
            Some(Heard::Deleted) => return Some(nothing),
            Some(Heard::Sent(delivery, words)) => {
                return Some(says(newer.unwrap_or(words), delivery.event.actor.id.clone()));
            }
            Some(Heard::Edited(words)) => newer = newer.or(Some(words)),
            None => {}
        }
    }
    match shared.ports.store.message(message).await {
        Ok(Some(stored)) if stored.room == *room && stored.deleted_at.is_none() => {
            Some(says(newer.unwrap_or_else(|| Words::of(&stored.message)), stored.sender.id))
        }
        Ok(Some(_)) => Some(nothing),
        Ok(None) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::MessageType;
    use parlor_core::ids::Offset;
    use parlor_core::time::Timestamp;

    use super::*;
    use crate::stage::{Stage, caller};

    async fn send(stage: &Stage, room: &RoomId, temp_id: &str) -> (Accepted, Appended) {
        let send = Send {
            room: room.clone(),
            content: "hello".into(),
            kind: MessageType::Text,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: Some(temp_id.into()),
        };
        let mut accepted = accept(&stage.shared, &caller("ann"), &send).await.expect("accepted");
        let pending = std::mem::replace(&mut accepted.pending, Box::pin(std::future::pending()));
        (accepted, pending.await.expect("appended"))
    }

    #[tokio::test]
    async fn a_reply_right_after_the_ack_quotes_what_it_answers() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
        let (accepted, _) = send(&stage, &room, "temp_1").await;
        let delivered = async {
            tokio::time::sleep(QUOTE_PATIENCE / 4).await;
            stage.deliver(Offset::NONE).await;
        };
        let (quoted, ()) = tokio::join!(quote(&stage.shared, &room, accepted.id), delivered);
        assert_eq!(quoted.content.as_deref(), Some("hello"));
        // What nobody here has accepted is not waited for.
        let began = Instant::now();
        assert_eq!(quote(&stage.shared, &room, MessageId::now()).await.content, None);
        assert!(began.elapsed() < QUOTE_PATIENCE);
    }

    #[tokio::test]
    async fn a_resend_that_another_gateway_took_first_is_known_for_one_and_has_the_first_ones_place() {
        for temp_id in ["0190a6f0-0000-4000-8000-000000000001", "temp_1"] {
            let stage = Stage::set().await;
            let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
            let (accepted, before) = send(&stage, &room, temp_id).await;
            assert_eq!(accepted.again, Again::Unknown, "{temp_id}");
            stage.deliver(Offset::NONE).await;
            stage.persist().await;
            // As on a gateway that heard nothing of it, and has the room live only now.
            let stage = stage.with_another_gateway();
            let opening = hub::opened(&stage.shared, &room);
            assert!(tokio::time::timeout(Duration::from_millis(10), opening).await.is_err(), "no hub runs here");
            assert_ne!(stage.shared.hub.stream(&room), 0, "the room is about to be live");
            let (again, after) = send(&stage, &room, temp_id).await;
            assert_eq!(again.id, accepted.id);
            assert_ne!(again.again, Again::Unknown, "{temp_id}");
            assert_ne!(after.seq, before.seq);
            let told = first(&stage.shared, &room, again.id, Some(again.again), after).await;
            assert_eq!(told, before, "{temp_id}");
            // Of a new one nobody is asked.
            let (new, at) = send(&stage, &room, &Uuid::new_v4().to_string()).await;
            let later = Appended { time: Timestamp(at.time.0 + 1), ..at };
            assert_eq!(
                (new.again, first(&stage.shared, &room, new.id, Some(new.again), later).await),
                (Again::Unknown, later)
            );
        }
    }
}
