//! Devices of users: where push notifications go, and the public keys of end-to-end encryption. The server carries keys
//! and never looks into them.

/// Where push notifications of a device go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A browser (RFC 8030), with the keys that its messages are encrypted for (RFC 8291).
    Web {
        /// An https URL that the browser's push service gave.
        endpoint: String,
        /// The browser's public key, an uncompressed P-256 point, base64url.
        p256dh: String,
        /// 16 random bytes of the browser, base64url.
        auth: String,
    },
    /// An Android device.
    Fcm {
        /// The registration token.
        token: String,
    },
    /// An Apple device.
    Apns {
        /// The device token, hexadecimal.
        token: String,
    },
}

impl Address {
    /// What names it among all: the endpoint, or the token.
    pub fn name(&self) -> &str {
        match self {
            Self::Web { endpoint, .. } => endpoint,
            Self::Fcm { token } | Self::Apns { token } => token,
        }
    }

    /// The kind's name on the wire and in the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Web { .. } => "web",
            Self::Fcm { .. } => "fcm",
            Self::Apns { .. } => "apns",
        }
    }
}

/// A device's public keys, as it publishes them. All keys are opaque text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The device's own name, unique for its user.
    pub device: String,
    /// Its long-lived key.
    pub identity_key: String,
    /// A key of middle age, for when one-time keys have run out.
    pub signed_key: String,
    /// Of the signed key by the identity key; peers check it.
    pub signature: String,
    /// Keys that are handed out once each.
    pub one_time_keys: Vec<OneTimeKey>,
}

/// A key that is handed out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeKey {
    /// The device's own name for it.
    pub id: String,
    /// The key.
    pub key: String,
}

/// A device's keys, as others see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// Whose.
    pub user: crate::ids::UserId,
    /// The device's own name.
    pub device: String,
    /// Its long-lived key.
    pub identity_key: String,
    /// A key of middle age.
    pub signed_key: String,
    /// Of the signed key by the identity key.
    pub signature: String,
    /// In the answer to a claim: the one-time key that the caller alone has got; `None` where none was left.
    pub one_time_key: Option<OneTimeKey>,
    /// One-time keys that are left.
    pub left: u32,
}
