//! What clients say and hear. The gateway knows commands, answers and news; a vocabulary turns client events into
//! commands, and answers, news and refusals into the events and acks of its own documents. Pure functions: no state,
//! no I/O.
//!
//! `dotted/`, `snake/`, `cafe/` and `conversations/` are a folder each.
//!
//! What holds in every vocabulary:
//! - A payload is one object. Fields that a command does not take are ignored, whatever they hold, because clients
//!   evolve; so is who the client says it is (`userId`, `userName`, `username`): the token decides. A field that is
//!   taken is checked in full, and a wrong one is refused by name. `null` is the same as absent.
//! - Every server event has exactly one argument, an object: stock clients keep a string that comes last as their
//!   offset (DESIGN.md §4).
//! - Times are ISO 8601 in UTC; ids are strings; `seq` is a number. An event of a room carries its `seq`.

pub(crate) mod cafe;
mod connection;
pub(crate) mod conversations;
mod dotted;
mod fields;
mod outgoing;
mod payload;
mod route;
mod rules;
mod snake;

#[cfg(test)]
pub(crate) mod asyncapi;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Event, Kind};
use parlor_core::ids::UserId;
use serde_json::value::RawValue;
use smallvec::SmallVec;

pub(crate) use self::outgoing::TOKEN_EXPIRED;
pub use self::outgoing::{
    Answer, Ban, Changes, Counted, Found, MemberReceipt, News, Outgoing, Page, Receipts, TOKEN_GRACE, Upload,
};
pub use self::payload::temp_id;
pub(crate) use self::route::{Asked, Route};
pub use self::rules::Rules;

use self::payload::{Entry, Payload};

/// A set of event names and payload forms, from one requirements document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// `message.send`, `room.join`; the complete one: whatever Parlor can do has a dotted event.
    Dotted,
    /// `send_message`, `join_room`.
    Snake,
    /// `message:send`, `join:cafe`.
    Cafe,
    /// `chat:message_send`, `presence:online`.
    Conversations,
}

impl Vocabulary {
    /// Every vocabulary, in the order of [`Self::index`].
    pub const ALL: [Self; 4] = [Self::Dotted, Self::Snake, Self::Cafe, Self::Conversations];

    /// Reads a name, as in `auth.vocabulary`. `None` where no vocabulary has it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vocabulary| vocabulary.as_str() == name)
    }

    /// The name, as in `auth.vocabulary` and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dotted => "dotted",
            Self::Snake => "snake",
            Self::Cafe => "cafe",
            Self::Conversations => "conversations",
        }
    }

    /// Its place in [`Self::ALL`], for arrays with a frame per vocabulary.
    pub fn index(self) -> usize {
        match self {
            Self::Dotted => 0,
            Self::Snake => 1,
            Self::Cafe => 2,
            Self::Conversations => 3,
        }
    }

    /// Whether a socket that enters a room is shown its newest messages without asking.
    pub fn shows_history_on_entry(self) -> bool {
        self == Self::Cafe
    }

    /// Whether a message says how far it has got, wherever it is shown.
    pub fn shows_status(self) -> bool {
        self == Self::Conversations
    }

    /// The vocabulary that owns this client event name (`join_room`: snake). `None`: nobody's.
    ///
    /// Names of the connection itself are dotted's, but every vocabulary understands them; see [`Self::decides`].
    pub fn of_event(name: &str) -> Option<Self> {
        if connection::COMMANDS.iter().any(|entry| entry.name == name) {
            return Some(Self::Dotted);
        }
        Self::ALL.into_iter().find(|vocabulary| vocabulary.commands().iter().any(|entry| entry.name == name))
    }

    /// Whether a socket's first event with this name decides which vocabulary it speaks. `connection.authenticate` and
    /// `connection.disconnect` do not: every vocabulary understands them, and the next event decides.
    pub fn decides(name: &str) -> bool {
        !name.starts_with("connection.")
    }

    /// Parses a client event in full.
    ///
    /// # Errors
    /// `UnknownEvent` for a name that this vocabulary does not have (the message says so if another one has it);
    /// `BadRequest` or `ContentTooLong`, naming the field; `NotFound` for the id of a room that clients may not name.
    pub fn parse_command(self, name: &str, args: &[Box<RawValue>], rules: &Rules) -> Result<Command, ChatError> {
        let entry = self.commands().iter().chain(connection::COMMANDS).find(|entry| entry.name == name);
        let Some(entry) = entry else { return Err(self.unknown(name)) };
        if entry.fields.is_empty() {
            return (entry.read)(&Payload::default(), rules);
        }
        (entry.read)(&Payload::read(entry, args)?, rules)
    }

    /// Parses a request that says what this vocabulary's event of that name says. `given` is what its path, query and
    /// headers say.
    ///
    /// # Errors
    /// As [`Self::parse_command`].
    pub(crate) fn parse_request(
        self,
        name: &str,
        given: &[(String, Box<RawValue>)],
        body: Option<&RawValue>,
        rules: &Rules,
    ) -> Result<Command, ChatError> {
        let entry = self.commands().iter().find(|entry| entry.name == name);
        let Some(entry) = entry else { return Err(self.unknown(name)) };
        (entry.read)(&Payload::of_request(entry, given, body)?, rules)
    }

    /// The one argument of an accepted command's ack, as JSON text.
    pub fn ack(self, answer: &Answer<'_>) -> String {
        match self {
            Self::Dotted => dotted::answers::ack(answer),
            Self::Snake => snake::answers::ack(answer),
            Self::Cafe => cafe::answers::ack(answer),
            Self::Conversations => conversations::answers::ack(answer),
        }
    }

    /// What the caller's socket hears of an accepted command where it asked for no ack and no other event will tell
    /// it. `None`: nothing.
    pub fn unasked(self, answer: &Answer<'_>) -> Option<Outgoing> {
        match self {
            Self::Dotted => dotted::answers::unasked(answer),
            // The room's own events tell.
            Self::Snake | Self::Cafe | Self::Conversations => None,
        }
    }

    /// The one argument of a refused command's ack, as JSON text. `temp_id` is the payload's, see [`temp_id`].
    pub fn refusal_ack(self, error: &ChatError, temp_id: Option<&str>) -> String {
        match self {
            Self::Dotted => dotted::errors::ack(error, temp_id),
            // Both documents have one and the same form.
            Self::Snake | Self::Cafe => snake::errors::ack(error, temp_id),
            Self::Conversations => conversations::errors::ack(error, temp_id),
        }
    }

    /// What the caller's socket hears of a refused command where it asked for no ack. `command` is the event's name as
    /// the client sent it.
    pub fn refusal_event(self, command: &str, error: &ChatError, temp_id: Option<&str>) -> Outgoing {
        match self {
            Self::Dotted => dotted::errors::event(command, error, temp_id),
            Self::Snake | Self::Cafe => snake::errors::event(command, error, temp_id),
            Self::Conversations => conversations::errors::event(command, error, temp_id),
        }
    }

    /// The events that one piece of news is to clients of this vocabulary: none, one or two, in this order.
    pub fn render(self, news: &News<'_>) -> SmallVec<[Outgoing; 2]> {
        match self {
            Self::Dotted => dotted::events::render(news),
            Self::Snake => snake::events::render(news),
            Self::Cafe => cafe::events::render(news),
            Self::Conversations => conversations::events::render(news),
        }
    }

    fn commands(self) -> &'static [Entry] {
        match self {
            Self::Dotted => dotted::commands::COMMANDS,
            Self::Snake => snake::commands::COMMANDS,
            Self::Cafe => cafe::commands::COMMANDS,
            Self::Conversations => conversations::commands::COMMANDS,
        }
    }

    fn unknown(self, name: &str) -> ChatError {
        let shown = outgoing::shown(name);
        let message = match Self::of_event(name) {
            Some(other) => format!("`{shown}` is {}; this socket speaks {}", other.as_str(), self.as_str()),
            None => format!("`{shown}` is no event of this server"),
        };
        ChatError::new(Code::UnknownEvent, message)
    }
}

/// The body of a refused request: `{error, message, …}`, or `{code, message, …}` (`cafe.md`).
pub(crate) fn refusal_body(error: &ChatError, named_code: bool) -> String {
    if named_code { snake::errors::body(error) } else { dotted::errors::ack(error, None) }
}

/// The user whose sockets hear of this event through their inbox, and whom the room's own delivery leaves out.
///
/// A user's other sockets enter and leave a room when the inbox says so, which may be before or after the room's own
/// record of it is delivered. So the inbox's `RoomAdded` and `RoomRemoved` are what tells them, exactly once; without
/// leaving them out here they would hear of it once or twice, depending on timing.
pub fn told_by_inbox(event: &Event) -> Option<&UserId> {
    match &event.kind {
        Kind::MemberJoined { member, .. } => Some(&member.user.id),
        Kind::MemberLeft { user, .. } => Some(user),
        _ => None,
    }
}
