//! To many sockets at once, on this server and, where the application relays, on its peers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rooms::Namespace;
use crate::{Application, CloseReason, Frame, Server, Socket};

/// Carries operations to the other servers of a cluster. Given as [`Config::relay`](crate::Config::relay).
pub trait Relay: Send + Sync + 'static {
    /// Has `operation` given to [`Server::receive`] of every other server. Must not block; may lose: what must not be
    /// lost needs a log of the application's own.
    fn publish(&self, operation: Vec<u8>);
}

/// What a peer sent is no operation.
#[derive(Debug, thiserror::Error)]
#[error("not a relayed operation: {0}")]
pub struct NotAnOperation(String);

/// An operation on the sockets of a namespace, made by [`Server::of`] or [`Socket::to`]. Without [`to`](Self::to) it is on all of them.
#[must_use = "nothing happens before an operation is called"]
pub struct Broadcast {
    to: Vec<Box<str>>,
    except: Vec<Box<str>>,
    not: Option<usize>,
    namespace: Option<Arc<Namespace>>,
    volatile: bool,
    local: bool,
}

/// An operation as peers are told of it.
#[derive(Serialize, Deserialize)]
struct Operation {
    namespace: Box<str>,
    to: Vec<Box<str>>,
    except: Vec<Box<str>>,
    act: Act,
}

#[derive(Serialize, Deserialize)]
enum Act {
    /// Engine.IO packets, joined as in a polling payload.
    Emit {
        packets: String,
        volatile: bool,
    },
    Join(Box<str>),
    Leave(Box<str>),
    Disconnect,
    DisconnectNamespace,
}

impl Broadcast {
    pub(crate) fn new(namespace: Option<Arc<Namespace>>) -> Self {
        Self { to: Vec::new(), except: Vec::new(), not: None, namespace, volatile: false, local: false }
    }

    /// On the sockets in this room, and in those of other calls; a socket in several of them is in it once.
    pub fn to(mut self, room: &str) -> Self {
        self.to.push(room.into());
        self
    }

    /// On none that is in this room.
    pub fn except(mut self, room: &str) -> Self {
        self.except.push(room.into());
        self
    }

    /// Not on this socket: its own news, told to the others.
    pub fn except_socket(mut self, socket: &Socket) -> Self {
        self.not = Some(socket.key());
        self
    }

    /// Drops the event for clients that have something else waiting; for what is worth something only now.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// On this server's sockets alone.
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// The sockets on this server.
    pub fn sockets(&self) -> Vec<Socket> {
        let Some(namespace) = &self.namespace else { return Vec::new() };
        let mut sockets = namespace.select(&self.to, &self.except);
        sockets.retain(|socket| self.not != Some(socket.key()));
        sockets
    }

    /// Queues one frame, made for this namespace, to each. Closed sockets and full queues are passed over: a socket
    /// whose queue is full is closed.
    pub fn emit(&self, frame: &Frame) {
        act(
            &self.sockets(),
            |socket| if self.volatile { socket.emit_volatile(frame).map(drop) } else { socket.emit(frame) },
        );
        self.relay(|| Act::Emit { packets: frame.packets().to_owned(), volatile: self.volatile });
    }

    /// Encodes an event with one argument once, and queues it to each.
    ///
    /// # Errors
    /// The argument cannot be written as JSON.
    pub fn emit_event(&self, name: &str, arg: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        let Some(namespace) = &self.namespace else { return Ok(()) };
        self.emit(&Frame::event(&namespace.name, name, arg)?);
        Ok(())
    }

    /// Puts each into a room.
    pub fn join(&self, room: &str) {
        for socket in self.sockets() {
            socket.join(room);
        }
        self.relay(|| Act::Join(room.into()));
    }

    /// Takes each out of a room.
    pub fn leave(&self, room: &str) {
        for socket in self.sockets() {
            socket.leave(room);
        }
        self.relay(|| Act::Leave(room.into()));
    }

    /// Puts each out of the namespace and closes its connection; see [`Socket::disconnect`].
    pub fn disconnect(&self) {
        for socket in self.sockets() {
            socket.disconnect(CloseReason::ServerDisconnect);
        }
        self.relay(|| Act::Disconnect);
    }

    /// Puts each out of the namespace alone; see [`Socket::disconnect_namespace`].
    pub fn disconnect_namespace(&self) {
        for socket in self.sockets() {
            socket.disconnect_namespace();
        }
        self.relay(|| Act::DisconnectNamespace);
    }

    fn relay(&self, act: impl FnOnce() -> Act) {
        let Some(namespace) = self.namespace.as_ref().filter(|_| !self.local) else { return };
        let Some(relay) = &namespace.relay else { return };
        let operation = Operation {
            namespace: namespace.name.clone(),
            to: self.to.clone(),
            except: self.except.clone(),
            act: act(),
        };
        match serde_json::to_vec(&operation) {
            Ok(bytes) => relay.publish(bytes),
            Err(error) => tracing::error!(%error, "an operation could not be written"),
        }
    }
}

fn act(sockets: &[Socket], emit: impl Fn(&Socket) -> Result<(), crate::Closed>) {
    for socket in sockets {
        // A closed socket's session hears of that by itself.
        let _ = emit(socket);
    }
}

/// Does here what a peer did.
pub(crate) fn receive<A: Application>(server: &Server<A>, operation: &[u8]) -> Result<(), NotAnOperation> {
    let operation: Operation = serde_json::from_slice(operation).map_err(|error| NotAnOperation(error.to_string()))?;
    let Operation { namespace, to, except, act } = operation;
    let mut broadcast = Broadcast::new(server.namespace(&namespace)).local();
    (broadcast.to, broadcast.except) = (to, except);
    match act {
        Act::Emit { packets, volatile } => {
            broadcast.volatile = volatile;
            let frame = Frame::from_packets(&packets).ok_or_else(|| NotAnOperation("bad packets".into()))?;
            broadcast.emit(&frame);
        }
        Act::Join(room) => broadcast.join(&room),
        Act::Leave(room) => broadcast.leave(&room),
        Act::Disconnect => broadcast.disconnect(),
        Act::DisconnectNamespace => broadcast.disconnect_namespace(),
    }
    Ok(())
}
