//! A Socket.IO v5 / Engine.IO v4 server transport that knows nothing of what is said over it.
//!
//! # What it promises
//! - Events of one connection are handed to the application in order, one at a time; a slow handler delays only its
//!   own connection, whose pings go on meanwhile.
//! - An event for many sockets is encoded and framed once ([`Frame`]); queues hold references to those bytes.
//! - A queue is bounded in bytes. A reader that stops is closed, never waited for, and nothing is dropped from the
//!   middle: what a client has is always a prefix of what was queued for it.
//! - Whatever a stranger can send is bounded: header time, connect time, frame size, namespaces, pending work.
//! - Every close has a number and says whether coming back helps ([`CloseReason`]).
//!
//! # How it is laid out
//! [`Server`] accepts TCP and routes HTTP (`accept`, `routes`); a handshake makes a `Link` (the outbound queue and
//! what is known of the client) and one task, a `Connection`, that drives one carrier: a `ws::Wire`, or an
//! `engine::Mailbox` for polling. What the carrier reads is decoded (`engine::packet`, `packet`) and given to
//! `Dispatch`, which runs the application's futures.
//!
//! # Not here yet, and where it will go
//! - **Upgrade**: `upgrades` is empty, a WebSocket handshake with a `sid` is refused (`routes::websocket`); the
//!   carrier of a `Connection` is an enum so that one can take the other's place.
//! - **Binary attachments**: a binary frame, a base64 packet and `BINARY_EVENT`/`BINARY_ACK` close the transport with
//!   [`CloseReason::Unsupported`] (1003); they will be decoded in `packet`.
//! - **Compression**: no extension is negotiated (`ws::handshake`), so RSV bits are a protocol error.
//! - **Connection state recovery**: [`Connect::pid`], [`Connect::offset`] and [`Socket::set_private_id`] are there;
//!   replay is the application's. A number that rises with each flush that a later pong confirms belongs in
//!   `Connection::pong`.
//!
//! Rules cited as "EIO4 §…" are from the Engine.IO protocol, revision 4, and "SIO5 §…" from the Socket.IO protocol,
//! revision 5 (<https://socket.io/docs/v4/engine-io-protocol/>, <https://socket.io/docs/v4/socket-io-protocol/>).

mod accept;
mod ack;
mod app;
mod config;
mod connection;
mod dispatch;
mod engine;
mod frame;
mod handshake;
mod heartbeat;
mod json;
mod link;
mod metric;
mod packet;
mod reason;
mod registry;
mod routes;
mod server;
mod socket;
mod ws;

pub use ack::{Ack, AckError};
pub use app::{Application, Connect, Event, Fault, Refusal, Session};
pub use config::{ClientAddress, Config, FullEvent, Origins};
pub use frame::Frame;
pub use handshake::{Handshake, Transport};
pub use reason::CloseReason;
pub use server::Server;
pub use socket::{Closed, EmitError, Socket};
