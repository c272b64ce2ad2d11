//! How far messages have got, for vocabularies that say so of each: derived from the members' pointers (DESIGN.md §2).
//!
//! Best effort: where nothing can be learnt of a message it has been sent, as it has. So it is in big rooms, whose
//! members' pointers are counted and not read.

use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::store::StoredMessage;
use parlor_core::receipts::Furthest;

use crate::Shared;

/// Says of each message how far it has got with the furthest of those who did not send it. However many messages and
/// rooms, the store is asked once. Of a single room the fan-out's memory is asked too, which is ahead of the store by a
/// moment: who reads a page again right after a check mark sees it.
pub(crate) async fn tell_got<'a>(
    shared: &Shared,
    asker: &UserId,
    messages: impl IntoIterator<Item = &'a mut StoredMessage>,
) {
    let messages: Vec<&mut StoredMessage> = messages.into_iter().collect();
    let mut rooms: Vec<RoomId> = messages.iter().map(|message| message.room.clone()).collect();
    rooms.sort();
    rooms.dedup();
    rooms.retain(|room| shared.memberships.size(room, asker).is_none_or(|members| members <= shared.config.rooms.big));
    if rooms.is_empty() {
        return;
    }
    let mut furthest = shared.ports.progress.furthest(&rooms).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "pointers could not be read");
        vec![Furthest::default(); rooms.len()]
    });
    if let ([room], [furthest]) = (rooms.as_slice(), furthest.as_mut_slice()) {
        add_fresh(shared, room, furthest).await;
    }
    for message in messages {
        if let Some(furthest) = rooms.binary_search(&message.room).ok().and_then(|at| furthest.get(at)) {
            message.got = furthest.got(message.seq, &message.sender.id);
        }
    }
}

/// What the store does not know yet.
async fn add_fresh(shared: &Shared, room: &RoomId, furthest: &mut Furthest) {
    let limit = usize::try_from(shared.config.rooms.big).unwrap_or(usize::MAX);
    let Ok(members) = shared.ports.contacts.member_ids(room, None, limit).await else { return };
    let Ok(pointers) = shared.ports.pointers.pointers(room, &members).await else { return };
    for (member, to) in members.into_iter().zip(pointers) {
        if to.delivered.seq > Seq::ZERO {
            furthest.add(member, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;
    use parlor_core::ports::receipts::Receipts;
    use parlor_core::ports::store::Store;
    use parlor_core::receipts::{Got, Pointers};
    use parlor_core::time::Timestamp;

    use super::*;
    use crate::stage::{Calls, Stage};

    #[tokio::test]
    async fn messages_of_many_rooms_say_how_far_they_have_got_by_one_question_to_the_store() {
        let (stage, ann) = (Stage::set().await, UserId::trusted("ann"));
        let mut messages = Vec::new();
        for n in 0..12 {
            let room = stage.room(&format!("group_{n}"), RoomKind::Group, &["ann", "ben"]).await;
            messages.push(stage.say(&room, "ann", "one").await);
            // Who answers has read.
            if n % 2 == 0 {
                stage.say(&room, "ben", "two").await;
            }
        }
        stage.persist().await;
        let mut page = Vec::new();
        for id in messages {
            page.push(stage.store.message(id).await.expect("an answer").expect("a message"));
        }
        let calls = Calls::default();
        {
            let _counting = calls.count();
            tell_got(&stage.shared, &ann, &mut page).await;
        }
        assert_eq!(calls.of("furthest"), 1, "the store was asked room by room");
        for (n, message) in page.iter().enumerate() {
            assert_eq!(message.got, if n % 2 == 0 { Got::Read } else { Got::Sent }, "{n}");
        }
    }

    #[tokio::test]
    async fn a_message_has_got_as_far_as_was_told_although_the_store_lags() {
        let (stage, ann, ben) = (Stage::set().await, UserId::trusted("ann"), UserId::trusted("ben"));
        let room = stage.room("group_1", RoomKind::Group, &["ann", "ben"]).await;
        let id = stage.say(&room, "ann", "one").await;
        stage.persist().await;
        let mut page = vec![stage.store.message(id).await.expect("an answer").expect("a message")];
        let place = page[0].seq;
        let steps = [
            (Got::Delivered, Pointers::delivered(place, Timestamp(1))),
            (Got::Read, Pointers::read(place, Timestamp(2))),
        ];
        for (got, to) in steps {
            stage.memory.advance(&room, &[(ben.clone(), to)]).await.expect("raised");
            tell_got(&stage.shared, &ann, &mut page).await;
            assert_eq!(page[0].got, got);
        }
        // One's own pointer is no check mark.
        let id = stage.say(&room, "ann", "two").await;
        stage.persist().await;
        page = vec![stage.store.message(id).await.expect("an answer").expect("a message")];
        let own = Pointers::read(page[0].seq, Timestamp(3));
        stage.memory.advance(&room, &[(ann.clone(), own)]).await.expect("raised");
        tell_got(&stage.shared, &ann, &mut page).await;
        assert_eq!(page[0].got, Got::Sent);
    }
}
