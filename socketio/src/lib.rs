//! A Socket.IO v5 / Engine.IO v4 server that knows nothing of what is said over it.
//!
//! # A chat
//! ```no_run
//! use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Refusal, Server, Session, Socket};
//!
//! struct Chat;
//! struct Guest(Socket);
//!
//! impl Application for Chat {
//!     type Session = Guest;
//!     async fn connect(&self, socket: Socket, _: Connect) -> Result<Guest, Refusal> {
//!         Ok(Guest(socket))
//!     }
//! }
//!
//! impl Session for Guest {
//!     async fn opened(&self) {
//!         self.0.join("lobby");
//!     }
//!     async fn event(&self, event: Event) {
//!         let Some(text) = event.args.first().filter(|_| event.name == "say") else { return };
//!         let _ = self.0.to("lobby").emit_event("said", text);
//!         if let Some(ack) = event.ack {
//!             ack.send("heard");
//!         }
//!     }
//!     async fn closed(&self, _: CloseReason) {}
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Server::new(Config::default(), Chat).serve(listener, axum::Router::new(), Default::default()).await
//! }
//! ```
//!
//! # What it promises
//! - Events of one connection are handed to the application in order, one at a time; a slow handler delays only its
//!   own connection, whose pings go on meanwhile.
//! - An event for many sockets is encoded, framed and compressed once ([`Frame`]); queues hold references to it. What is
//!   queued goes out in one vectored write, and an idle connection holds no buffer.
//! - A queue is bounded in bytes. A reader that stops is closed, never waited for, and nothing is dropped from the
//!   middle: what a client has is always a prefix of what was queued for it.
//! - Whatever a stranger can send is bounded; see the limits.
//! - Every close has a number and says whether coming back helps ([`CloseReason`]).
//!
//! # What there is
//! HTTP long-polling, WebSocket, and the upgrade from one to the other; namespaces, acks both ways, binary data both
//! ways; rooms and broadcasts, on one server ([`Server::of`], [`Socket::to`]) and over a cluster ([`Relay`]); volatile
//! events; permessage-deflate without context takeover (RFC 7692); what connection state recovery needs ([`Offsets`],
//! [`Connect::pid`], [`Socket::set_private_id`]); draining ([`Server::drain`]); Engine.IO alone ([`raw`]).
//!
//! # Limits, and their defaults
//! | what | setting | default | beyond it |
//! |---|---|---|---|
//! | a packet that is served | [`max_payload`](Config::max_payload) | 64 KiB | [`Fault::TooLarge`], the socket lives |
//! | a frame, message or polling payload | [`max_frame`](Config::max_frame) | 256 KiB | closed (1009), 413 |
//! | the same before any CONNECT | `max_payload` | 64 KiB | closed (1009) |
//! | what a compressed frame inflates to | the same two | | closed (1009) |
//! | packets in a polling payload | [`max_packets`](Config::max_packets) | 4,096 | 413, closed |
//! | attachments of a packet | [`max_attachments`](Config::max_attachments) | 10 | closed |
//! | depth of an event's JSON | | 127 | [`Fault::Json`], the socket lives |
//! | bytes of an event's name | | 256 | closed |
//! | namespaces of a connection | [`max_namespaces`](Config::max_namespaces) | 4 | CONNECT_ERROR |
//! | refused CONNECTs of a connection | [`max_refusals`](Config::max_refusals) | 8 | closed |
//! | acks awaited from a socket | [`max_pending_acks`](Config::max_pending_acks) | 64 | [`AckError::TooMany`] |
//! | events read and not yet handled | [`inbound_events`](Config::inbound_events), [`inbound_bytes`](Config::inbound_bytes) | 64, 256 KiB | reading pauses |
//! | bytes queued for a client | [`queue_bytes`](Config::queue_bytes) | 1 MiB | closed, slow consumer |
//! | a write that the kernel refuses | [`write_stall`](Config::write_stall) | 10 s | closed, slow consumer |
//! | a request's head, a POST's body | [`header_timeout`](Config::header_timeout) | 10 s, 16 KiB and 64 fields | closed, 431 |
//! | handshake to CONNECT | [`connect_timeout`](Config::connect_timeout) | 30 s | closed |
//! | upgrade to its `5` | [`upgrade_timeout`](Config::upgrade_timeout) | 10 s | the WebSocket is closed, polling lives |
//! | a pong | [`ping_interval`](Config::ping_interval), [`ping_timeout`](Config::ping_timeout) | 25 s, 20 s | closed |
//! | sessions | [`max_connections`](Config::max_connections) | 10,000 | a few are told, then 503 |
//! | sessions of an address | [`max_connections_per_address`](Config::max_connections_per_address) | none | 429 |
//! | HTTP connections, a waiting polling client among them | [`max_http_connections`](Config::max_http_connections) | 4,096 | closed at once |
//! | an HTTP answer that is not read | `write_stall` | 10 s | closed |
//!
//! # What is left out
//! Engine.IO 3 and Socket.IO 2 clients (`EIO=3` is refused with code 5), the msgpack parser, WebTransport, compression
//! of polling bodies in either direction, JSONP, acks of broadcasts, a room for each socket by its own id. There is no TLS
//! (a proxy has that), and the server has a listener of its own rather than a place in another's router; what is not
//! Socket.IO goes to the router given to [`Server::serve`]. A preflight allows the headers `Content-Type` and
//! `Authorization`.
//!
//! # Metrics
//! Through the `metrics` crate: `parlor_socketio_connections`, `parlor_socketio_queue_bytes` (gauges, the latter sampled
//! every 5 s), `parlor_socketio_closes_total{reason}`, `parlor_socketio_events_in_total`,
//! `parlor_socketio_frames_out_total`.
//!
//! # How it is laid out
//! [`Server`] accepts TCP and routes HTTP (`accept`, `routes`); a handshake makes a `Link` (the outbound queue and
//! what is known of the client) and one task, a `Connection`, that reads from one carrier: a `ws::Incoming`, or an
//! `engine::Mailbox` for polling. What it brings is decoded (`inbound`, `engine::packet`, `packet`) and given to `Dispatch`, which
//! runs the application's futures. What goes out is written by whoever queues it for many (`flusher`), by the
//! connection's task otherwise (`ws::outgoing`).
//!
//! Rules cited as "EIO4 §…" are from the Engine.IO protocol, revision 4, and "SIO5 §…" from the Socket.IO protocol,
//! revision 5 (<https://socket.io/docs/v4/engine-io-protocol/>, <https://socket.io/docs/v4/socket-io-protocol/>).

mod accept;
mod ack;
mod app;
mod broadcast;
mod config;
mod connection;
mod dispatch;
mod engine;
mod flusher;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod heartbeat;
mod inbound;
mod json;
mod link;
mod metric;
mod offsets;
mod packet;
mod reason;
mod registry;
mod rooms;
mod routes;
mod server;
mod socket;
mod stalling;
mod ws;

pub use ack::{Ack, AckError};
pub use app::{Answer, Application, Connect, Event, Fault, Refusal, Session};
pub use broadcast::{Broadcast, NotAnOperation, Relay};
pub use config::{ClientAddress, Config, FullEvent, Origins, RelayTo};
pub use engine::raw;
pub use frame::Frame;
pub use handshake::{Handshake, Transport};
pub use offsets::{Mark, Offsets};
pub use reason::CloseReason;
pub use server::Server;
pub use socket::{Closed, EmitError, Socket};
