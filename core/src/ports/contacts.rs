//! Who knows whom, and who was here when, as the store keeps it: what presence asks of it.

use async_trait::async_trait;

use super::Unavailable;
use crate::ids::{RoomId, UserId};
use crate::time::Timestamp;

/// Users through the rooms they share, and when they were last here.
#[async_trait]
pub trait Contacts: Send + Sync + 'static {
    /// Rooms of which a user is a member now, at most `limit`, each with the number of its members.
    async fn rooms(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, u32)>, Unavailable>;

    /// Those of `others` who share a room with a user, both being members now; the user too, if asked for.
    async fn acquainted(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable>;

    /// The ids of a room's members, after `after`, at most `limit`, in order.
    async fn member_ids(&self, room: &RoomId, after: Option<&UserId>, limit: usize)
    -> Result<Vec<UserId>, Unavailable>;

    /// Notes when users were last here. A later time is kept; users nobody knows are passed over.
    async fn seen(&self, users: &[(UserId, Timestamp)]) -> Result<(), Unavailable>;

    /// When users were last here, in the order asked for. `None`: not known.
    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Unavailable>;
}
