//! How rows of devices read: push subscriptions, whom to push to, published keys.

use std::collections::HashSet;

use parlor_core::device::{Address, DeviceKeys, OneTimeKey};
use parlor_core::ids::UserId;
use parlor_core::ports::devices::{Listener, Subscription};
use parlor_core::ports::keys::MAX_ONE_TIME_KEYS;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use crate::at::At;
use crate::rows::{row, seq};

/// How long the id of a claimed key is remembered, in milliseconds: 90 days.
pub(crate) const CLAIMED_KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

row! {
    /// A push subscription.
    SubscriptionRow {
        user_id: String,
        kind: String,
        address: String,
        p256dh: Option<String>,
        auth: Option<String>,
        registered_at: At,
        reached_at: Option<At>,
    }
}

/// `None`: of a kind that a newer version knows.
pub(crate) fn subscription(row: SubscriptionRow) -> Option<Subscription> {
    let address = match (row.kind.as_str(), row.p256dh, row.auth) {
        ("web", Some(p256dh), Some(auth)) => Address::Web { endpoint: row.address, p256dh, auth },
        ("fcm", ..) => Address::Fcm { token: row.address },
        ("apns", ..) => Address::Apns { token: row.address },
        _ => return None,
    };
    Some(Subscription {
        user: UserId::trusted(row.user_id),
        address,
        registered_at: row.registered_at.0,
        reached_at: row.reached_at.map(|at| at.0),
    })
}

/// A browser's keys, as columns.
pub(crate) fn browser_keys(address: &Address) -> (Option<&str>, Option<&str>) {
    match address {
        Address::Web { p256dh, auth, .. } => (Some(p256dh), Some(auth)),
        Address::Fcm { .. } | Address::Apns { .. } => (None, None),
    }
}

row! {
    /// Somebody to push to.
    ListenerRow {
        message: i64,
        user_id: String,
        read_seq: i64,
    }
}

impl From<ListenerRow> for Listener {
    fn from(row: ListenerRow) -> Self {
        Self {
            message: usize::try_from(row.message).unwrap_or(0),
            user: UserId::trusted(row.user_id),
            read_through: seq(row.read_seq),
        }
    }
}

row! {
    /// A device with how many one-time keys wait.
    DeviceRow {
        user_id: String,
        device_id: String,
        identity_key: String,
        signed_key: String,
        signature: String,
        one_time_left: i64,
    }
}

impl From<DeviceRow> for DeviceKeys {
    fn from(row: DeviceRow) -> Self {
        Self {
            user: UserId::trusted(row.user_id),
            device: row.device_id,
            identity_key: row.identity_key,
            signed_key: row.signed_key,
            signature: row.signature,
            one_time_key: None,
            left: u32::try_from(row.one_time_left).unwrap_or(0),
        }
    }
}

row! {
    /// A one-time key.
    OneTimeRow {
        key_id: String,
        key: String,
    }
}

impl From<OneTimeRow> for OneTimeKey {
    fn from(row: OneTimeRow) -> Self {
        Self { id: row.key_id, key: row.key }
    }
}

/// The keys of a publication, each id once, at most as many as may wait.
pub(crate) fn distinct(keys: &[OneTimeKey]) -> Vec<&OneTimeKey> {
    let mut seen = HashSet::new();
    keys.iter().filter(|key| seen.insert(&key.id)).take(MAX_ONE_TIME_KEYS).collect()
}
