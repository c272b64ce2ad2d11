//! The seam to the services that wake a device: Web Push, FCM, APNs.

use std::time::Duration;

use async_trait::async_trait;

use super::devices::Subscription;
use crate::ids::{MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// The longest title and body of a notification, in bytes. With the longest ids the whole still fits what all three
/// services take (4,096 bytes; of those RFC 8291 leaves 3,993).
pub const MAX_TITLE_BYTES: usize = 128;
/// See [`MAX_TITLE_BYTES`].
pub const MAX_BODY_BYTES: usize = 512;

/// One push service.
///
/// * A notification carries the message's id as its collapse key: sent twice, a device shows it once.
/// * One call is one try, which ends within the provider's own timeout (10 s at most). Trying again is the caller's.
/// * Credentials that a service wants renewed are renewed by the provider, and shared by its calls.
#[async_trait]
pub trait PushProvider: Send + Sync + 'static {
    /// Hands a notification over to the service.
    ///
    /// # Errors
    /// [`PushError`]: what the caller does next.
    async fn send(&self, to: &Subscription, notification: &Notification) -> Result<(), PushError>;
}

/// What a device shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The message: also the collapse key.
    pub message: MessageId,
    /// Its room.
    pub room: RoomId,
    /// Who sent it.
    pub sender: UserId,
    /// The line above: the sender's name.
    pub title: String,
    /// The text, cut; `None` where the server has no text to show (an encrypted message).
    pub body: Option<String>,
    /// The log's time of the message.
    pub time: Timestamp,
    /// For how long it is worth anything.
    pub ttl: Duration,
}

/// Why a notification was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The subscription is over for good: remove it.
    #[error("the subscription is gone")]
    Gone,
    /// It may be taken later.
    #[error("not taken now: {reason}")]
    Retry {
        /// Not before this, where the service said so.
        after: Option<Duration>,
        /// For logs.
        reason: String,
    },
    /// It will never be taken, but the subscription may be good: a fault of the notification or of our credentials.
    #[error("refused: {0}")]
    Rejected(String),
}
