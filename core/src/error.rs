//! What a client may be told when something is refused. One small set; each vocabulary gives it its own form.

use std::time::Duration;

/// Why a command was refused. Driver errors never reach a client: they end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The payload is not what the command takes.
    BadRequest,
    /// No valid identity.
    Unauthorized,
    /// The caller is known and a member, but may not do this.
    Forbidden,
    /// It does not exist, or the caller may not know that it does: the two are never told apart.
    NotFound,
    /// An event that no enabled vocabulary knows.
    UnknownEvent,
    /// A frame over the served size (64 KiB).
    TooLarge,
    /// Content over the limit of characters.
    ContentTooLong,
    /// More members or live users than a room may hold.
    RoomFull,
    /// This gateway holds as many connections as it may.
    ServerFull,
    /// It is there already, or stands in the way of what is asked.
    Conflict,
    /// The caller is banned from the room.
    Banned,
    /// The same again within seconds.
    Spam,
    /// A file of a type that is not taken, or is not what it claims to be.
    UnsupportedType,
    /// A sliding-window limit.
    RateLimited,
    /// A dependency is away or a queue is full; nothing was done. Try again after `retry_after`.
    Busy,
    /// Nobody knows whether it was done. Resend with the same `tempId`: it is done once.
    Unknown,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 17] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::UnknownEvent,
        Self::TooLarge,
        Self::ContentTooLong,
        Self::RoomFull,
        Self::ServerFull,
        Self::Conflict,
        Self::Banned,
        Self::Spam,
        Self::UnsupportedType,
        Self::RateLimited,
        Self::Busy,
        Self::Unknown,
        Self::Internal,
    ];

    /// The code on the wire, the same in every vocabulary. Those that a requirements document names keep its capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::UnknownEvent => "unknown_event",
            Self::TooLarge => "too_large",
            Self::ContentTooLong => "content_too_long",
            Self::RoomFull => "ROOM_FULL",
            Self::ServerFull => "SERVER_FULL",
            Self::Conflict => "conflict",
            Self::Banned => "banned",
            Self::Spam => "SPAM_DETECTED",
            Self::UnsupportedType => "unsupported_type",
            Self::RateLimited => "RATE_LIMIT_EXCEEDED",
            Self::Busy => "busy",
            Self::Unknown => "UNKNOWN",
            Self::Internal => "internal",
        }
    }

    /// Whether the same command may succeed later, unchanged.
    pub fn retryable(self) -> bool {
        matches!(self, Self::ServerFull | Self::RateLimited | Self::Busy | Self::Unknown | Self::Internal)
    }
}

/// A sliding-window limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many in a window.
    pub limit: u32,
    /// The window, in whole seconds on the wire.
    pub window: Duration,
}

/// A refusal, as the client is to understand it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct ChatError {
    /// What kind.
    pub code: Code,
    /// For a person: says what is wrong and, where it can, what to do.
    pub message: String,
    /// After this long the same command is worth another try.
    pub retry_after: Option<Duration>,
    /// The limit that was passed, with [`Code::RateLimited`].
    pub limit: Option<Limit>,
    /// The payload's field that is wrong or stands in the way.
    pub field: Option<&'static str>,
}

impl ChatError {
    /// A refusal with a message and nothing else.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, limit: None, field: None }
    }

    /// A wrong or missing field.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(Code::BadRequest, message) }
    }

    /// The one answer for what does not exist and what the caller may not know of.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }

    /// The answer to whoever is banned from a room, for all that they may not do there.
    pub fn banned() -> Self {
        Self::new(Code::Banned, "you are banned from this room")
    }

    /// A dependency is away; nothing was done.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(Code::Busy, message) }
    }
}
