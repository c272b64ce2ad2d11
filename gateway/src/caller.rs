//! For whom a command is carried out: a socket's user, or a request's.

use std::sync::Arc;

use parlor_core::event::Actor;
use parlor_core::ids::RoomId;

use crate::auth::Identity;
use crate::client::Client;

/// Who asks. Commands are the same for both; what only a socket has (being in a channel, hearing a room) is asked of
/// [`Caller::client`].
#[derive(Clone)]
pub(crate) struct Caller {
    /// The user, as their token says.
    pub(crate) user: Actor,
    /// Nobody's account.
    pub(crate) guest: bool,
    client: Option<Arc<Client>>,
}

impl Caller {
    /// The socket's user; `None`: it is nobody yet.
    pub(crate) fn socket(client: &Arc<Client>) -> Option<Self> {
        Some(Self { user: client.user()?, guest: client.is_guest(), client: Some(client.clone()) })
    }

    /// A request's user.
    pub(crate) fn request(identity: Identity) -> Self {
        Self { user: identity.user, guest: identity.guest, client: None }
    }

    /// Whom a file's address names, who may read and nothing else: not even what guests may.
    pub(crate) fn reader(user: Actor) -> Self {
        Self { user, guest: true, client: None }
    }

    /// The socket, if it is one.
    pub(crate) fn client(&self) -> Option<&Arc<Client>> {
        self.client.as_ref()
    }

    /// What tells resends by this caller from another's new messages.
    pub(crate) fn lineage(&self) -> &str {
        // A request names what it repeats by its `Idempotency-Key`, wherever it comes from.
        self.client.as_ref().map_or("", |client| &client.lineage)
    }

    /// Whether it may act in a channel: a socket that has entered it; a request needs not.
    pub(crate) fn is_in(&self, channel: &RoomId) -> bool {
        self.client.as_ref().is_none_or(|client| client.is_in(channel))
    }
}
