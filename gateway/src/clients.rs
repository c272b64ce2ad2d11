//! The sockets of this gateway, by user.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parlor_core::event::Actor;
use parlor_core::ids::UserId;

use crate::client::Client;

/// Every identified socket of this gateway.
#[derive(Default)]
pub(crate) struct Clients {
    users: Mutex<HashMap<UserId, Vec<Arc<Client>>>>,
}

impl Clients {
    /// Adds a socket to its user's. False: the user has `limit` already, and it was not added. One that takes the place
    /// of another of its session is no more than that other.
    pub(crate) fn add(&self, user: &UserId, client: &Arc<Client>, limit: usize) -> bool {
        let mut users = self.users.lock();
        let own = users.entry(user.clone()).or_default();
        let fits = own.iter().filter(|other| other.socket.id() != client.socket.id()).count() < limit;
        if fits {
            own.push(client.clone());
        }
        fits
    }

    /// Takes a socket away. True: it was the user's last here.
    pub(crate) fn remove(&self, user: &UserId, client: &Arc<Client>) -> bool {
        let mut users = self.users.lock();
        let Some(own) = users.get_mut(user) else { return false };
        let before = own.len();
        own.retain(|other| !Arc::ptr_eq(other, client));
        if own.is_empty() {
            users.remove(user);
            return before > 0;
        }
        false
    }

    /// A user's sockets here.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<Client>> {
        self.users.lock().get(user).cloned().unwrap_or_default()
    }

    /// A user who has a socket here, as that one presents them.
    pub(crate) fn who(&self, user: &UserId) -> Option<Actor> {
        self.of(user).iter().find_map(|client| client.user())
    }

    /// The users who have a socket here.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.lock().keys().cloned().collect()
    }

    /// All identified sockets.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.users.lock().values().flatten().cloned().collect()
    }
}
