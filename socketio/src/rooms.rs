//! Namespaces, the sockets in them, and the rooms that sockets are in on this server.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{RelayTo, Socket};

/// A namespace: its open sockets, and their rooms.
pub(crate) struct Namespace {
    pub(crate) name: Box<str>,
    /// Tells the other servers of what is done to many sockets.
    pub(crate) relay: Option<RelayTo>,
    members: Mutex<Members>,
}

/// Sockets are known by the address of what they share: a number that is unique while they live.
#[derive(Default)]
struct Members {
    sockets: HashMap<usize, Member>,
    rooms: HashMap<Box<str>, Vec<usize>>,
}

struct Member {
    socket: Socket,
    rooms: Vec<Box<str>>,
}

impl Namespace {
    pub(crate) fn new(name: &str, relay: Option<RelayTo>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), relay, members: Mutex::default() })
    }

    pub(crate) fn enter(&self, socket: &Socket) {
        self.members.lock().sockets.insert(socket.key(), Member { socket: socket.clone(), rooms: Vec::new() });
    }

    pub(crate) fn leave(&self, socket: &Socket) {
        // Dropped behind the lock: it may be the socket's last.
        let _member = {
            let mut members = self.members.lock();
            let Some(member) = members.sockets.remove(&socket.key()) else { return };
            for room in &member.rooms {
                members.take_out(socket.key(), room);
            }
            member
        };
    }

    /// False: it is not open, or in the room already.
    pub(crate) fn join(&self, socket: &Socket, room: &str) -> bool {
        let mut members = self.members.lock();
        let Some(member) = members.sockets.get_mut(&socket.key()) else { return false };
        if member.rooms.iter().any(|r| &**r == room) {
            return false;
        }
        member.rooms.push(room.into());
        members.rooms.entry(room.into()).or_default().push(socket.key());
        true
    }

    /// False: it was not in the room.
    pub(crate) fn quit(&self, socket: &Socket, room: &str) -> bool {
        let mut members = self.members.lock();
        let Some(member) = members.sockets.get_mut(&socket.key()) else { return false };
        let before = member.rooms.len();
        member.rooms.retain(|r| &**r != room);
        let left = member.rooms.len() < before;
        if left {
            members.take_out(socket.key(), room);
        }
        left
    }

    pub(crate) fn rooms_of(&self, socket: &Socket) -> Vec<Box<str>> {
        self.members.lock().sockets.get(&socket.key()).map_or_else(Vec::new, |member| member.rooms.clone())
    }

    /// The sockets that are in any of `to` (everybody where it names none) and in none of `except`, each once.
    pub(crate) fn select(&self, to: &[Box<str>], except: &[Box<str>]) -> Vec<Socket> {
        let members = self.members.lock();
        let is_out = |member: &Member| member.rooms.iter().any(|room| except.contains(room));
        let chosen = |member: &&Member| except.is_empty() || !is_out(member);
        match to {
            [] => members.sockets.values().filter(chosen).map(|member| member.socket.clone()).collect(),
            [room] => {
                let keys = members.rooms.get(room).into_iter().flatten();
                keys.filter_map(|key| members.sockets.get(key)).filter(chosen).map(|m| m.socket.clone()).collect()
            }
            rooms => {
                let mut keys: Vec<usize> =
                    rooms.iter().filter_map(|room| members.rooms.get(room)).flatten().copied().collect();
                keys.sort_unstable();
                keys.dedup();
                let chosen = keys.iter().filter_map(|key| members.sockets.get(key)).filter(chosen);
                chosen.map(|member| member.socket.clone()).collect()
            }
        }
    }
}

impl Members {
    fn take_out(&mut self, key: usize, room: &str) {
        if let Entry::Occupied(mut entry) = self.rooms.entry(room.into()) {
            entry.get_mut().retain(|other| *other != key);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link;

    fn socket(namespace: &Arc<Namespace>) -> Socket {
        let socket = Socket::new(namespace.clone(), link::for_testing(1000, false), 1);
        socket.open();
        socket
    }

    fn count(namespace: &Namespace, to: &[&str], except: &[&str]) -> usize {
        let boxed = |names: &[&str]| names.iter().map(|n| Box::from(*n)).collect::<Vec<Box<str>>>();
        namespace.select(&boxed(to), &boxed(except)).len()
    }

    #[test]
    fn a_socket_in_several_of_the_rooms_is_chosen_once_and_not_at_all_if_excepted() {
        let namespace = Namespace::new("/", None);
        let (a, b, c) = (socket(&namespace), socket(&namespace), socket(&namespace));
        assert!(a.join("red") && a.join("blue") && b.join("blue") && c.join("green"));
        assert!(!a.join("red"));
        assert_eq!(count(&namespace, &["red", "blue"], &[]), 2);
        assert_eq!(count(&namespace, &["red", "blue"], &["red"]), 1);
        assert_eq!(count(&namespace, &[], &["green"]), 2);
        assert_eq!(count(&namespace, &[], &[]), 3);
        assert_eq!(count(&namespace, &["none"], &[]), 0);
        assert!(b.leave("blue") && !b.leave("blue"));
        assert_eq!(count(&namespace, &["blue"], &[]), 1);
        a.shut();
        assert_eq!((count(&namespace, &["red", "blue"], &[]), count(&namespace, &[], &[])), (0, 2));
        assert!(!a.join("red"), "a closed socket is in no room");
        assert!(namespace.members.lock().rooms.keys().all(|room| &**room == "green"));
    }
}
