//! Quotes of messages that are gone: a reply keeps what it quoted when it was sent, and what was taken back since is not
//! shown in it. The id alone stays.

use std::collections::HashSet;

use parlor_core::event::{Delivery, Kind, Message};
use parlor_core::ids::MessageId;

use crate::Shared;

/// Takes out of these messages what they quote of deleted ones, and of those of which nobody can say now whether they
/// are. `tail`: what the store may not have yet.
pub(super) async fn forget_gone<'m>(
    shared: &Shared,
    messages: impl IntoIterator<Item = &'m mut Message>,
    tail: &[Delivery],
) {
    let mut quoting: Vec<&mut Message> = messages.into_iter().filter(|message| quoted(message).is_some()).collect();
    if quoting.is_empty() {
        return;
    }
    let asked: HashSet<MessageId> = quoting.iter().filter_map(|message| quoted(message)).collect();
    let asked: Vec<MessageId> = asked.into_iter().collect();
    let gone = gone(shared, &asked, tail).await;
    for message in &mut quoting {
        if let Some(quote) = message.reply_to.as_mut().filter(|quote| gone.contains(&quote.message)) {
            (quote.content, quote.encrypted, quote.sender) = (None, false, None);
        }
    }
}

fn quoted(message: &Message) -> Option<MessageId> {
    message.reply_to.as_ref().filter(|quote| quote.content.is_some()).map(|quote| quote.message)
}

/// Those of the messages that are deleted, or may be.
pub(super) async fn gone(shared: &Shared, asked: &[MessageId], tail: &[Delivery]) -> HashSet<MessageId> {
    let mut gone: HashSet<MessageId> = deletions(tail).collect();
    gone.extend(asked.iter().filter(|id| shared.hub.recent.find(**id).is_some_and(|place| place.deleted)));
    // What was said in the tail was not stored, and would have been taken back there.
    let said: HashSet<MessageId> = tail.iter().filter_map(sent).collect();
    let unsure: Vec<MessageId> = asked.iter().copied().filter(|id| !gone.contains(id) && !said.contains(id)).collect();
    if !unsure.is_empty() {
        match shared.ports.store.places(&unsure).await {
            Ok(places) => gone.extend(places.iter().filter(|place| place.deleted).map(|place| place.message)),
            Err(error) => {
                tracing::debug!(%error, "nobody can say whether what is quoted is still there");
                gone.extend(unsure);
            }
        }
    }
    gone
}

/// The message that an event sent.
pub(super) fn sent(delivery: &Delivery) -> Option<MessageId> {
    matches!(delivery.event.kind, Kind::MessageSent(_)).then(|| MessageId(delivery.event.id.0))
}

pub(super) fn deletions(events: &[Delivery]) -> impl Iterator<Item = MessageId> {
    events.iter().filter_map(|delivery| match delivery.event.kind {
        Kind::MessageDeleted { message } => Some(message),
        _ => None,
    })
}
