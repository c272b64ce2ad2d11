//! All sessions of a server, and the places they take.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::link::Link;

/// All sessions of a server, and the places they take.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    links: HashMap<Box<str>, Arc<Link>>,
    /// Sessions by address; kept only where a limit asks for it.
    addresses: HashMap<IpAddr, usize>,
    turned_away: usize,
    /// Sessions whose transport is gone, while their handlers still work.
    ending: usize,
}

/// Bounds on who is let in.
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) per_address: Option<usize>,
    /// Places for those who are only told that the server is full.
    pub(crate) turned_away: usize,
}

/// Whether there is a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Taken,
    /// Only to hear that the server is full.
    TurnedAway,
    Full,
    TooMany,
}

impl Registry {
    /// Asks for a place and, if there is one, keeps the link that `make` builds.
    pub(crate) fn enter(
        &self,
        bounds: &Bounds,
        address: IpAddr,
        make: impl FnOnce(bool) -> Arc<Link>,
    ) -> Result<Arc<Link>, Place> {
        let mut inner = self.0.lock();
        let place = inner.place(bounds, address);
        if matches!(place, Place::Full | Place::TooMany) {
            return Err(place);
        }
        let link = make(place == Place::TurnedAway);
        if link.turned_away {
            inner.turned_away += 1;
        }
        if bounds.per_address.is_some() {
            *inner.addresses.entry(address).or_default() += 1;
        }
        inner.links.insert(link.sid.clone(), link.clone());
        Ok(link)
    }

    /// The transport is gone: requests find the session no more. Its place is free with [`end`](Self::end), when its
    /// handlers are done, so that what they hold is bounded too.
    pub(crate) fn leave(&self, link: &Link) {
        let mut inner = self.0.lock();
        if inner.links.remove(&link.sid).is_some() {
            inner.ending += 1;
        }
    }

    /// Gives the place free of a link that has left.
    pub(crate) fn end(&self, link: &Link) {
        let mut inner = self.0.lock();
        inner.ending -= 1;
        if link.turned_away {
            inner.turned_away -= 1;
        }
        let address = link.handshake.client;
        if let Some(count) = inner.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inner.addresses.remove(&address);
            }
        }
    }

    pub(crate) fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.0.lock().links.get(sid).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.0.lock().links.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().links.len()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.0.lock().links.values().map(|l| l.queued_bytes()).sum()
    }
}

impl Inner {
    fn place(&self, bounds: &Bounds, address: IpAddr) -> Place {
        let here = self.addresses.get(&address).copied().unwrap_or(0);
        if bounds.per_address.is_some_and(|max| here >= max) {
            Place::TooMany
        } else if self.links.len() + self.ending - self.turned_away < bounds.connections {
            Place::Taken
        } else if self.turned_away < bounds.turned_away {
            Place::TurnedAway
        } else {
            Place::Full
        }
    }
}
