//! Whether the server kept its word: what was acked reached every member once, in one order.
//!
//! It only counts; whose socket, which clock and which wire are others' business.

use serde::{Deserialize, Serialize};

/// A message's number, in the order of sending.
pub(crate) type Number = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// None yet.
    Waiting,
    Sent,
    /// The server said that it did not take it.
    Refused,
    /// The server said that it does not know.
    Unknown,
}

#[derive(Debug)]
struct Message {
    room: u32,
    sender: u32,
    answer: Answer,
    /// As the first to tell it told it.
    seq: Option<u64>,
    /// Members who have it.
    received: u32,
}

/// Watches one run: rooms of `members` sockets each, sockets numbered room by room.
#[derive(Debug)]
pub(crate) struct Checker {
    members: u32,
    messages: Vec<Message>,
    /// For each message, a bit for each member.
    have: Vec<u64>,
    /// The last seq of each socket; a socket is in one room.
    last: Vec<u64>,
    returns: Vec<Return>,
    counts: Counts,
    /// Messages without an answer.
    waiting: u64,
    /// Deliveries that acked messages still lack.
    missing: u64,
}

/// What a socket may hear again after it came back: what it had heard after its last offset, before it went.
#[derive(Clone, Copy, Debug, Default)]
struct Return {
    /// The last seq when it last heard an offset.
    offset: u64,
    /// The last seqs that its offset told of, and that it had, when it last came back.
    told: u64,
    had: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    acked: u64,
    refused: u64,
    unknown: u64,
    deliveries: u64,
    doubled: u64,
    repeated: u64,
    reordered: u64,
    strange: u64,
    disagreeing: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) refused: u64,
    /// Answered "unknown".
    pub(crate) unknown: u64,
    /// Not answered at all.
    pub(crate) unanswered: u64,
    /// First receipts: message × member.
    pub(crate) deliveries: u64,
    /// Acked, but some member did not get it: message × member.
    pub(crate) lost: u64,
    /// Received again by a socket that had it, and whose offset, if it came back, said so.
    pub(crate) doubled: u64,
    /// Received again after coming back, by a socket that had it, but no offset that said so: allowed.
    #[serde(default)]
    pub(crate) repeated: u64,
    /// Received with a seq that is not above the last of that socket.
    pub(crate) reordered: u64,
    /// Sent later on the same socket, but with the lower seq.
    pub(crate) overtaken: u64,
    /// Told with another seq than before: posted twice, or not one order for all.
    pub(crate) disagreeing: u64,
    /// Received though refused, or of nobody here, or of another room.
    pub(crate) phantom: u64,
}

impl Verdict {
    /// Nothing was lost, doubled, out of order or invented.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.overtaken + self.disagreeing + self.phantom == 0
    }

    /// Every message was taken and answered.
    pub(crate) fn all_taken(&self) -> bool {
        self.acked == self.sent
    }
}

impl Checker {
    pub(crate) fn new(rooms: u32, members: u32) -> Self {
        Self {
            members,
            messages: Vec::new(),
            have: Vec::new(),
            last: vec![0; rooms as usize * members as usize],
            returns: vec![Return::default(); rooms as usize * members as usize],
            counts: Counts::default(),
            waiting: 0,
            missing: 0,
        }
    }

    fn words(&self) -> usize {
        self.members.div_ceil(64) as usize
    }

    /// `sender`, a socket, sends its room a message.
    pub(crate) fn sent(&mut self, sender: u32) -> Number {
        let number = Number::try_from(self.messages.len()).unwrap_or(Number::MAX);
        let room = sender / self.members;
        self.messages.push(Message { room, sender, answer: Answer::Waiting, seq: None, received: 0 });
        self.have.resize(self.messages.len() * self.words(), 0);
        self.waiting += 1;
        number
    }

    /// The ack came. False: for nothing that waits.
    pub(crate) fn acked(&mut self, number: Number, seq: Option<u64>) -> bool {
        if !self.answer(number, Answer::Sent) {
            return false;
        }
        self.counts.acked += 1;
        if let Some(seq) = seq {
            self.agree(number, seq);
        }
        let lacking = self.messages.get(number as usize).map_or(0, |message| self.members - message.received);
        self.missing += u64::from(lacking);
        true
    }

    /// The ack came, and said no; or that nobody knows. False: for nothing that waits.
    pub(crate) fn refused(&mut self, number: Number, unknown: bool) -> bool {
        let counted = self.answer(number, if unknown { Answer::Unknown } else { Answer::Refused });
        if counted {
            if unknown { self.counts.unknown += 1 } else { self.counts.refused += 1 }
        }
        counted
    }

    fn answer(&mut self, number: Number, answer: Answer) -> bool {
        let message = self.messages.get_mut(number as usize).filter(|message| message.answer == Answer::Waiting);
        let Some(message) = message else { return false };
        message.answer = answer;
        self.waiting -= 1;
        true
    }

    /// `socket` received a message with that seq. True: for the first time.
    pub(crate) fn received(&mut self, socket: u32, number: Number, seq: u64) -> bool {
        let (room, member) = (socket / self.members, socket % self.members);
        let words = self.words();
        let Some(message) = self.messages.get_mut(number as usize).filter(|message| message.room == room) else {
            self.strange();
            return false;
        };
        let word = &mut self.have[number as usize * words + member as usize / 64];
        let bit = 1 << (member % 64);
        if *word & bit != 0 {
            let Return { told, had, .. } = self.returns[socket as usize];
            if told < seq && seq <= had {
                self.counts.repeated += 1
            } else {
                self.counts.doubled += 1
            }
            return false;
        }
        *word |= bit;
        message.received += 1;
        if message.answer == Answer::Sent {
            self.missing -= 1;
        }
        self.counts.deliveries += 1;
        self.agree(number, seq);
        let last = &mut self.last[socket as usize];
        if seq <= *last {
            self.counts.reordered += 1;
        } else {
            *last = seq;
        }
        true
    }

    /// `socket` heard an offset: what it has so far it need not hear again.
    pub(crate) fn heard_offset(&mut self, socket: u32) {
        self.returns[socket as usize].offset = self.last[socket as usize];
    }

    /// `socket` is connected again, to its old session or to a new one. Returns the acked messages that it lacks.
    pub(crate) fn came_back(&mut self, socket: u32, recovered: bool) -> Vec<Number> {
        let last = self.last[socket as usize];
        let back = &mut self.returns[socket as usize];
        back.had = last;
        // A new session may begin with anything that the room has.
        back.told = if recovered { back.offset } else { 0 };
        let (room, member) = (socket / self.members, socket % self.members);
        let words = self.words();
        let lacks = |number: usize| self.have[number * words + member as usize / 64] & (1 << (member % 64)) == 0;
        let messages = self.messages.iter().enumerate();
        let acked = messages.filter(|(_, message)| message.room == room && message.answer == Answer::Sent);
        acked.filter(|(number, _)| lacks(*number)).filter_map(|(number, _)| Number::try_from(number).ok()).collect()
    }

    /// A socket received a message that no socket here has sent.
    pub(crate) fn strange(&mut self) {
        self.counts.strange += 1;
    }

    fn agree(&mut self, number: Number, seq: u64) {
        let Some(message) = self.messages.get_mut(number as usize) else { return };
        match message.seq {
            None => message.seq = Some(seq),
            Some(told) if told != seq => self.counts.disagreeing += 1,
            Some(_) => {}
        }
    }

    /// Messages sent so far.
    pub(crate) fn sent_count(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Messages acked so far.
    pub(crate) fn acked_count(&self) -> u64 {
        self.counts.acked
    }

    /// Messages that wait for an answer.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether nothing is under way: all answered, and all that was acked delivered.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting == 0 && self.missing == 0
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let refused = self.messages.iter().filter(|message| message.answer == Answer::Refused);
        let refused_but_received: u64 = refused.map(|message| u64::from(message.received)).sum();
        Verdict {
            sent: self.sent_count(),
            acked: self.counts.acked,
            refused: self.counts.refused,
            unknown: self.counts.unknown,
            unanswered: self.waiting,
            deliveries: self.counts.deliveries,
            lost: self.missing,
            doubled: self.counts.doubled,
            repeated: self.counts.repeated,
            reordered: self.counts.reordered,
            overtaken: self.overtaken(),
            disagreeing: self.counts.disagreeing,
            phantom: self.counts.strange + refused_but_received,
        }
    }

    fn overtaken(&self) -> u64 {
        let mut highest = vec![0; self.last.len()];
        let mut overtaken = 0;
        for message in &self.messages {
            let Some(seq) = message.seq else { continue };
            let highest = &mut highest[message.sender as usize];
            if seq < *highest { overtaken += 1 } else { *highest = seq }
        }
        overtaken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rooms of three; sockets 0–2 and 3–5.
    fn checker() -> Checker {
        Checker::new(2, 3)
    }

    fn deliver(checker: &mut Checker, number: Number, seq: u64) {
        let room = checker.messages[number as usize].room;
        for member in 0..3 {
            assert!(checker.received(room * 3 + member, number, seq));
        }
    }

    #[test]
    fn a_run_in_which_all_goes_well_is_clean() {
        let mut checker = checker();
        for seq in 1..100 {
            let number = checker.sent(u32::try_from(seq % 6).unwrap());
            assert!(!checker.is_settled());
            // A delivery may overtake the ack.
            if seq % 2 == 0 {
                deliver(&mut checker, number, seq);
                assert!(checker.acked(number, Some(seq)));
            } else {
                assert!(checker.acked(number, None));
                deliver(&mut checker, number, seq);
            }
            assert!(checker.is_settled());
        }
        let verdict = checker.verdict();
        assert!(verdict.is_clean() && verdict.all_taken(), "{verdict:?}");
        assert_eq!((verdict.sent, verdict.deliveries), (99, 297));
    }

    #[test]
    fn what_was_acked_and_did_not_reach_a_member_is_lost() {
        let mut checker = checker();
        let number = checker.sent(0);
        checker.received(0, number, 1);
        checker.acked(number, Some(1));
        assert!(!checker.is_settled());
        assert_eq!(checker.verdict().lost, 2);
        checker.received(2, number, 1);
        assert_eq!(checker.verdict().lost, 1);
        assert!(!checker.verdict().is_clean());
    }

    #[test]
    fn what_was_not_acked_may_or_may_not_arrive() {
        let mut checker = checker();
        let (unknown, unanswered) = (checker.sent(0), checker.sent(3));
        checker.refused(unknown, true);
        checker.received(1, unknown, 1);
        checker.received(4, unanswered, 2);
        let verdict = checker.verdict();
        assert!(verdict.is_clean() && !verdict.all_taken());
        assert_eq!((verdict.unknown, verdict.unanswered), (1, 1));
    }

    #[test]
    fn what_was_refused_and_arrives_is_a_phantom() {
        let mut checker = checker();
        let number = checker.sent(0);
        checker.refused(number, false);
        assert!(checker.verdict().is_clean());
        checker.received(1, number, 1);
        assert_eq!(checker.verdict().phantom, 1);
    }

    #[test]
    fn another_rooms_message_is_a_phantom() {
        let mut checker = checker();
        let number = checker.sent(0);
        assert!(!checker.received(3, number, 1));
        checker.strange();
        assert_eq!(checker.verdict().phantom, 2);
        assert_eq!(checker.verdict().deliveries, 0);
    }

    #[test]
    fn a_second_receipt_on_a_socket_is_doubled_and_nothing_else() {
        let mut checker = checker();
        let number = checker.sent(0);
        checker.acked(number, Some(1));
        deliver(&mut checker, number, 1);
        assert!(!checker.received(2, number, 1));
        let verdict = checker.verdict();
        assert_eq!((verdict.doubled, verdict.reordered, verdict.lost, verdict.deliveries), (1, 0, 0, 3));
    }

    #[test]
    fn who_comes_back_may_hear_again_only_what_followed_its_last_offset() {
        let mut checker = checker();
        let numbers: Vec<Number> = (1..=4).map(|_| checker.sent(0)).collect();
        for (number, seq) in numbers.iter().zip(1..).take(2) {
            checker.received(0, *number, seq);
            if seq == 1 {
                checker.heard_offset(0);
            }
        }
        for number in &numbers[..3] {
            checker.acked(*number, None);
        }
        assert_eq!(checker.came_back(0, true), [numbers[2]], "the fourth was not acked");
        let verdicts = [(1, 2, (0, 1)), (0, 1, (1, 1)), (2, 3, (1, 1)), (2, 3, (2, 1))];
        for (index, seq, (doubled, repeated)) in verdicts {
            checker.received(0, numbers[index], seq);
            let verdict = checker.verdict();
            assert_eq!((verdict.doubled, verdict.repeated), (doubled, repeated), "message {index}");
        }
        assert!(checker.came_back(0, false).is_empty());
        checker.received(0, numbers[0], 1);
        assert_eq!(checker.verdict().repeated, 2, "a new session may begin with what the room has");
    }

    #[test]
    fn a_message_posted_twice_is_seen_by_its_second_seq() {
        let mut checker = checker();
        let number = checker.sent(0);
        checker.acked(number, Some(1));
        checker.received(0, number, 1);
        checker.received(1, number, 2);
        assert_eq!(checker.verdict().disagreeing, 1);
    }

    #[test]
    fn a_seq_that_falls_on_a_socket_is_reordered() {
        let mut checker = checker();
        let (one, two) = (checker.sent(0), checker.sent(1));
        for (socket, first, second) in [(0, (one, 1), (two, 2)), (1, (two, 2), (one, 1))] {
            checker.received(socket, first.0, first.1);
            checker.received(socket, second.0, second.1);
        }
        assert_eq!(checker.verdict().reordered, 1);
        assert_eq!(checker.verdict().overtaken, 0, "by different senders");
    }

    #[test]
    fn a_senders_messages_that_swap_places_are_overtaken() {
        let mut checker = checker();
        let (one, two) = (checker.sent(0), checker.sent(0));
        checker.acked(two, Some(1));
        checker.acked(one, Some(2));
        deliver(&mut checker, two, 1);
        deliver(&mut checker, one, 2);
        let verdict = checker.verdict();
        assert_eq!((verdict.overtaken, verdict.reordered), (1, 0));
    }

    #[test]
    fn an_answer_counts_once() {
        let mut checker = checker();
        let number = checker.sent(0);
        assert!(checker.acked(number, None));
        assert!(!checker.acked(number, None) && !checker.refused(number, false) && !checker.acked(7, None));
        assert_eq!((checker.verdict().acked, checker.verdict().refused), (1, 0));
    }

    #[test]
    fn rooms_may_have_more_members_than_a_word_has_bits() {
        let mut checker = Checker::new(1, 1_000);
        let number = checker.sent(999);
        checker.acked(number, Some(1));
        for socket in 0..1_000 {
            assert!(checker.received(socket, number, 1));
        }
        assert!(!checker.received(999, number, 1));
        assert!(checker.is_settled());
        assert_eq!(checker.verdict().doubled, 1);
    }
}
