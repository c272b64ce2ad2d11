//! The contract of [`super::store`] and [`super::search`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::store_contract!(make())`, where `make` gives a [`Subject`] that is empty;
//! each promise becomes a test of its own.

mod applying;
mod changing;
mod deciding;
mod finding;
mod marking;
mod reading;
mod safety;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::log::{Malformed, Position, Record};
use super::safety::Safety;
use super::search::Search;
use super::store::{Read, Store, Stored, StoredMessage};
use crate::event::{Actor, Event, Kind, Message, MessageType};
use crate::ids::{EventId, Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use crate::membership::nameless;
use crate::time::Timestamp;

pub use self::applying::*;
pub use self::changing::*;
pub use self::deciding::*;
pub use self::finding::*;
pub use self::marking::*;
pub use self::reading::*;
pub use self::safety::*;

/// One promise a test.
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::store_contract!(@ $make;
            a_position_starts_before_the_first_record
            rows_and_position_move_together
            a_wrong_previous_changes_nothing_and_says_where_it_is
            of_two_writers_from_one_position_one_applies
            an_empty_batch_only_says_where_the_position_is
            an_id_stored_before_is_not_stored_again
            an_id_twice_in_one_batch_is_stored_once
            an_id_is_new_again_after_thirty_days
            edits_and_deletions_apply_in_the_batch_of_their_message
            edits_and_deletions_apply_in_later_batches
            a_change_from_another_room_does_not_touch_a_message
            a_copy_of_an_edit_does_not_undo_a_later_one
            a_record_that_cannot_be_decoded_moves_the_position_only
            poison_changes_nothing_and_is_called_so
            what_was_written_comes_back_verbatim
            an_inbox_is_kept_as_changes_only
            an_unknown_sender_gets_a_stub_and_a_known_one_stays
            an_unknown_kind_is_kept_untouched
            history_pages_neither_repeat_nor_skip
            history_is_bounded_on_both_sides_and_stays_in_its_room
            a_deleted_message_leaves_history_but_is_found_by_its_id
            many_messages_are_found_at_once
            a_range_says_how_far_it_sees
            a_range_and_how_far_it_sees_are_one_snapshot
            messages_and_changes_merge_by_seq_up_to_a_place
            the_seq_of_a_time_is_the_lowest_at_or_after_it
            mentions_and_ciphertext_come_back_and_an_edit_may_change_which_it_is
            reactions_come_back_with_their_users_in_the_order_of_giving
            a_reaction_given_twice_counts_once_and_one_taken_back_is_gone
            the_newest_message_of_a_listed_room_shows_its_reactions_and_pin
            a_deleted_message_loses_reactions_and_pin_and_gets_none
            a_mark_from_another_room_does_not_touch_a_message
            pins_are_listed_the_last_pinned_first
            a_search_finds_words_and_phrases_newest_first_in_pages
            a_search_sees_the_rooms_that_its_user_is_in_and_no_others
            neither_ciphertext_nor_what_is_deleted_is_found_and_an_edit_changes_what_is
            replies_are_read_by_what_they_answer
            counting_from_the_newest_leaves_deleted_messages_out
            rooms_written_to_last_come_first
            a_room_is_made_with_its_members_and_events_in_order
            two_makers_of_one_direct_room_get_one_room
            a_direct_room_is_its_pair_whatever_its_id
            a_refused_change_writes_nothing
            a_sent_event_is_not_told_again
            stale_events_are_old_enough_oldest_first_and_bounded
            versions_rise_and_a_room_never_overfills_however_many_come_at_once
            membership_tells_strangers_members_and_ex_members_apart
            an_old_leaving_does_not_bound_who_came_back
            members_are_listed_by_id_in_pages
            unread_counts_begin_at_coming_and_at_ones_own_message
            rooms_come_with_the_latest_message_first
            members_who_are_added_and_removed_are_written_with_their_events
            a_role_is_written_and_the_time_of_joining_stays
            the_last_admin_is_followed_by_the_longest_standing_moderator_then_member
            settings_are_written_and_what_is_not_named_stays
            a_deleted_room_is_nobodys_and_its_id_is_spent
            what_was_said_in_a_deleted_room_is_removed_by_upkeep_and_nothing_else_is
            a_ban_keeps_out_until_it_is_lifted_or_over
            rooms_are_listed_in_pages_with_their_total
            a_listed_room_names_its_first_members_in_the_order_of_joining
            a_block_holds_one_way_and_is_told_to_who_blocks
            a_mute_is_a_members_own_and_told_to_them
            reports_are_bounded_per_day_and_author
            users_are_as_they_were_last_seen
            upkeep_may_be_done_at_any_time
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let subject = $make.await;
                let promise = |store| Box::pin($crate::ports::store_contract::$promise(store)) as _;
                $crate::ports::store_contract::hold(subject, promise).await;
            }
        )*
    };
}

/// The generation of the suite's log.
pub const GENERATION: Generation = Generation(1);

/// The partition that the suite's records are on.
pub const PARTITION: Partition = Partition(3);

/// An implementation under test, empty.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same, as the port of safety.
    pub safety: Arc<dyn Safety>,
    /// The same one.
    pub search: Arc<dyn Search>,
    /// How events are encoded (the contract suite is below `proto`).
    pub encode: fn(&Event) -> Bytes,
    /// Messages that this store can never keep; at least one whose metadata is not JSON.
    pub poison: Vec<Message>,
    /// Removes what was made for the test.
    pub close: BoxFuture<'static, ()>,
}

/// Runs one promise and removes the subject, kept or broken.
pub async fn hold(subject: Subject, promise: fn(Trial) -> BoxFuture<'static, ()>) {
    let Subject { store, safety, search, encode, poison, close } = subject;
    let feed = Feed { store: Arc::clone(&store), encode, at: Position::START, next: 0, time: Timestamp(NOON) };
    let outcome = tokio::spawn(promise(Trial { store, safety, search, feed, poison })).await;
    close.await;
    if let Err(broken) = outcome {
        std::panic::resume_unwind(broken.into_panic());
    }
}

/// 2025-11-19T12:00:00Z.
const NOON: i64 = 1_763_553_600_000;

/// What a promise is tried with.
pub struct Trial {
    store: Arc<dyn Store>,
    safety: Arc<dyn Safety>,
    search: Arc<dyn Search>,
    feed: Feed,
    poison: Vec<Message>,
}

impl Trial {
    /// All messages of a room, oldest first.
    async fn history(&self, room: &RoomId) -> Vec<StoredMessage> {
        self.store.messages(everything(room)).await.expect("history").rows
    }

    /// All contents of a room, oldest first.
    async fn contents(&self, room: &RoomId) -> Vec<String> {
        self.history(room).await.into_iter().map(|message| message.message.content).collect()
    }
}

/// A log of one partition, and how much of it was applied.
struct Feed {
    store: Arc<dyn Store>,
    encode: fn(&Event) -> Bytes,
    at: Position,
    next: i64,
    time: Timestamp,
}

impl Feed {
    /// The next record, a second after the one before. Offsets have gaps.
    fn record(&mut self, event: Event) -> Record {
        let seq = Seq::new(GENERATION, Offset(self.next));
        self.next += 2;
        self.time = self.time.plus_millis(1_000);
        let encoded = (self.encode)(&event);
        Record { partition: PARTITION, seq, time: self.time, encoded, event: Ok(event.into()), trace: None }
    }

    /// The next record, which cannot be decoded.
    fn malformed(&mut self) -> Record {
        let record = self.record(text("r", "a", "never read"));
        Record { encoded: Bytes::from_static(b"?"), event: Err(Malformed("for a test".into())), ..record }
    }

    /// Applies records and moves on.
    async fn apply(&mut self, records: &[Record]) -> Stored {
        let stored = self.store.apply(PARTITION, self.at, records).await.expect("applied");
        match stored {
            Stored::Done { position, .. } => self.at = position,
            Stored::Elsewhere(position) => panic!("the store is at {position:?}, not at {:?}", self.at),
        }
        stored
    }

    /// Appends events and applies them as one batch; their seqs.
    async fn tell(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Seq> {
        let records: Vec<Record> = events.into_iter().map(|event| self.record(event)).collect();
        self.apply(&records).await;
        records.iter().map(|record| record.seq).collect()
    }
}

fn user(id: &str) -> Actor {
    nameless(&UserId::trusted(id))
}

fn event(room: &str, actor: &str, kind: Kind) -> Event {
    Event { id: EventId::now(), room: RoomId::trusted(room), actor: user(actor), kind }
}

fn content(content: &str) -> Message {
    Message::new(MessageType::Text, content)
}

fn text(room: &str, actor: &str, words: &str) -> Event {
    event(room, actor, Kind::MessageSent(content(words)))
}

fn edit(message: &Event, words: &str) -> Event {
    let kind = Kind::MessageEdited { message: id_of(message), content: words.into(), encrypted: false };
    Event { id: EventId::now(), kind, ..message.clone() }
}

fn delete(message: &Event) -> Event {
    Event { id: EventId::now(), kind: Kind::MessageDeleted { message: id_of(message) }, ..message.clone() }
}

fn id_of(message: &Event) -> MessageId {
    MessageId(message.id.0)
}

fn everything(room: &RoomId) -> Read<'_> {
    Read { room, partition: PARTITION, after: Seq::ZERO, before: Seq::MAX, limit: 10_000, newest_first: false }
}
