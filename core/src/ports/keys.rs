//! The directory of public device keys, with which clients encrypt for each other. The server stores and hands out what
//! devices publish, never looks into it, and never sees a private key (`conversations.md`, Encryption).

use async_trait::async_trait;

use super::Unavailable;
use crate::device::{Bundle, DeviceKeys};
use crate::ids::UserId;

/// Devices of one user that may publish keys; with one more the one that published longest ago goes.
pub const MAX_DEVICES: usize = 20;
/// One-time keys of one device that may wait to be claimed.
pub const MAX_ONE_TIME_KEYS: usize = 100;
/// The longest key or signature, in bytes of its text.
pub const MAX_KEY_BYTES: usize = 4096;
/// The longest id of a device or key, in characters.
pub const MAX_KEY_ID_CHARS: usize = 64;

/// Public keys by user and device, in the durable store.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Sets what a device publishes, and adds one-time keys; returns how many now wait to be claimed.
    ///
    /// A one-time key whose id this device has published before is not taken again while it waits, nor for 90 days after
    /// it was claimed. What exceeds [`MAX_ONE_TIME_KEYS`] is left out, the last first. A new identity
    /// key is a new device: its earlier one-time keys are forgotten.
    async fn publish(&self, user: &UserId, keys: &Bundle) -> Result<u32, Unavailable>;

    /// The devices of these users, by user and device id.
    async fn keys(&self, users: &[UserId]) -> Result<Vec<DeviceKeys>, Unavailable>;

    /// A device with one of its one-time keys, the one published first, which is then handed out to nobody else,
    /// however many claim at once. Without one when none is left: the signed key alone then has to do. `None`: no
    /// such device.
    async fn claim(&self, user: &UserId, device: &str) -> Result<Option<DeviceKeys>, Unavailable>;

    /// Removes a user's device with all its keys. False: there is none.
    async fn forget(&self, user: &UserId, device: &str) -> Result<bool, Unavailable>;
}
