//! The transport and nothing else: the server that `swarm broadcast`, `swarm idle` and `swarm handshakes` measure, so
//! that what the transport costs and what the chat costs can be told apart.
//!
//! Every socket that connects hears what any of them asks for: `broadcast {count, bytes}` emits `count` events `news`
//! to all, each of so many bytes on the wire. As in the gateway, an event is encoded once and queued on one socket
//! after the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Frame, Refusal, Server, Session, Socket};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:3990")]
    listen: SocketAddr,
}

/// All sockets.
#[derive(Clone, Default)]
struct Everyone(Arc<Mutex<Vec<Socket>>>);

struct Listener {
    everyone: Everyone,
    socket: Socket,
}

#[derive(Deserialize)]
struct Broadcast {
    count: usize,
    bytes: usize,
}

impl Everyone {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Socket>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Application for Everyone {
    type Session = Listener;

    async fn connect(&self, socket: Socket, _: Connect) -> Result<Listener, Refusal> {
        Ok(Listener { everyone: self.clone(), socket })
    }
}

impl Session for Listener {
    async fn opened(&self) {
        self.everyone.with(|sockets| sockets.push(self.socket.clone()));
    }

    async fn event(&self, event: Event) {
        let asked = event.args.first().and_then(|arg| serde_json::from_str::<Broadcast>(arg.get()).ok());
        let Some(Broadcast { count, bytes }) = asked.filter(|_| event.name == "broadcast") else { return };
        for _ in 0..count {
            let frame = news(bytes);
            // Who has gone hears nothing.
            self.everyone.with(|sockets| sockets.iter().for_each(|socket| _ = socket.emit(&frame)));
        }
    }

    async fn closed(&self, _: CloseReason) {
        self.everyone.with(|sockets| sockets.retain(|socket| socket.id() != self.socket.id()));
    }
}

/// An event of so many bytes on the wire.
fn news(bytes: usize) -> Frame {
    let of = |filler: usize| Frame::event_raw("/", "news", &format!(r#"{{"text":"{}"}}"#, "x".repeat(filler)));
    let filler = bytes.saturating_sub(of(0).len());
    let frame = of(filler);
    // The header of a longer frame is longer.
    let excess = frame.len().saturating_sub(bytes);
    if excess == 0 { frame } else { of(filler.saturating_sub(excess)) }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let config = Config { name: "transport".into(), max_connections: 20_000, ..Config::default() };
    let server = Server::new(config, Everyone::default());
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("listening at http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    // Its failure only means that the process must be killed.
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    server.serve(listener, axum::Router::new(), shutdown).await?;
    server.drain(20_000, Duration::from_secs(2), |_| {}).await;
    Ok(())
}
