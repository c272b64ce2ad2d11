//! Quotes of messages that are gone: a reply keeps what it quoted when it was sent, and what was taken back since is not
//! shown in it. The id alone stays.

use std::collections::HashSet;

use parlor_core::event::{Delivery, Message};
use parlor_core::ids::MessageId;
use parlor_core::ports::store::StoredMessage;

use crate::{Shared, hub};

/// What is known of messages before anybody is asked.
#[derive(Default)]
pub(super) struct Known {
    /// They were taken back.
    pub(super) gone: HashSet<MessageId>,
    /// They are there.
    pub(super) there: HashSet<MessageId>,
}

/// Takes out of a page what it quotes of deleted messages. `tail`: what the store may not have yet, up to the room's end.
pub(super) async fn forget_gone_of(shared: &Shared, page: &mut [StoredMessage], tail: &[Delivery]) {
    let gone = hub::deletions(tail).collect();
    // What was said in the tail would have been taken back there, and what is on the page itself hides nothing.
    let there = tail.iter().filter_map(hub::sent).chain(page.iter().map(|message| message.id)).collect();
    let messages = page.iter_mut().map(|message| &mut message.message);
    forget_gone(shared, messages, Known { gone, there }).await;
}

/// Takes out of these messages what they quote of deleted ones, and of those of which nobody can say now whether they
/// are. Only what is not `known` is asked of the store, all at once.
pub(super) async fn forget_gone<'m>(
    shared: &Shared,
    messages: impl IntoIterator<Item = &'m mut Message>,
    known: Known,
) {
    let mut quoting: Vec<&mut Message> = messages.into_iter().filter(|message| quoted(message).is_some()).collect();
    let asked: HashSet<MessageId> = quoting.iter().filter_map(|message| quoted(message)).collect();
    let gone = gone(shared, asked, known).await;
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
async fn gone(shared: &Shared, asked: HashSet<MessageId>, Known { mut gone, there }: Known) -> HashSet<MessageId> {
    gone.extend(asked.iter().filter(|id| shared.hub.is_deleted(**id)));
    let unsure: Vec<MessageId> = asked.into_iter().filter(|id| !gone.contains(id) && !there.contains(id)).collect();
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

#[cfg(test)]
mod tests {
    use parlor_core::command::{Direction, History};
    use parlor_core::event::{Kind, MessageType, Quote, RoomKind};
    use parlor_core::ids::{Offset, RoomId};

    use super::*;
    use crate::commands::history;
    use crate::stage::{Calls, Stage, caller};

    async fn answer(stage: &Stage, room: &RoomId, to: MessageId) -> MessageId {
        let quote = Quote { message: to, content: Some("said".into()), encrypted: false, sender: None };
        let answer = Message { reply_to: Some(quote), ..Message::new(MessageType::Text, "an answer") };
        stage.tell(room, "ann", Kind::MessageSent(answer)).await
    }

    /// What a page quotes, and how often the store was asked where messages are.
    async fn quoted(stage: &Stage, room: &RoomId, limit: u32) -> (Vec<Option<String>>, usize) {
        let calls = Calls::default();
        let page = {
            let _counting = calls.count();
            let ask = History { room: room.clone(), cursor: None, direction: Direction::Before, limit };
            history::read(&stage.shared, &caller("ann"), &ask).await.expect("a page").0
        };
        let quote = |message: &StoredMessage| message.message.reply_to.clone().map(|quote| quote.content);
        (page.iter().filter_map(quote).collect(), calls.of("places"))
    }

    #[tokio::test]
    async fn the_store_is_asked_only_of_quotes_that_neither_the_page_nor_the_cache_knows() {
        let stage = Stage::set().await;
        let room = stage.room("group_1", RoomKind::Group, &["ann"]).await;
        let (first, gone) = (stage.say(&room, "ann", "first").await, stage.say(&room, "ann", "gone").await);
        answer(&stage, &room, gone).await;
        answer(&stage, &room, first).await;
        stage.tell(&room, "ann", Kind::MessageDeleted { message: gone }).await;
        let known = vec![Some("said".to_owned()), None];
        stage.persist().await;
        assert_eq!(quoted(&stage, &room, 10).await, (known.clone(), 1), "one is on the page, the other asked for");
        assert_eq!(quoted(&stage, &room, 2).await, (known.clone(), 1), "both are asked for, at once");
        stage.deliver(Offset::NONE).await;
        assert_eq!(quoted(&stage, &room, 2).await, (known, 0), "the cache");
    }
}
