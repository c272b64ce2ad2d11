//! An echo server, for protocol test suites and stock clients to talk to.
//!
//! In the namespaces `/` and `/custom` it emits `auth` with the handshake's auth on connect, answers `message` with
//! `message-back`, and acks `message-with-ack` with its arguments. With `--engine` it speaks Engine.IO alone and echoes
//! every message as it is.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Frame, Refusal, Server, Session, Socket, raw};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Milliseconds.
    #[arg(long, default_value_t = 25_000)]
    ping_interval: u64,
    /// Milliseconds.
    #[arg(long, default_value_t = 20_000)]
    ping_timeout: u64,
    /// Bytes.
    #[arg(long, default_value_t = 64 * 1024)]
    max_payload: usize,
    /// Milliseconds.
    #[arg(long, default_value_t = 30_000)]
    connect_timeout: u64,
    /// Speaks Engine.IO alone.
    #[arg(long)]
    engine: bool,
}

struct Echo;

struct Client {
    socket: Socket,
    auth: String,
}

impl Application for Echo {
    type Session = Client;

    async fn connect(&self, socket: Socket, request: Connect) -> Result<Client, Refusal> {
        let auth = request.auth.map_or_else(|| "{}".to_owned(), |auth| auth.get().to_owned());
        Ok(Client { socket, auth })
    }
}

impl Session for Client {
    async fn opened(&self) {
        // Closed already: `closed` follows.
        let _ = self.socket.emit(&Frame::event_raw(self.socket.namespace(), "auth", &self.auth));
    }

    async fn event(&self, event: Event) {
        let args: Vec<&RawValue> = event.args.iter().map(AsRef::as_ref).collect();
        match event.name.as_str() {
            "message" => {
                let namespace = self.socket.namespace();
                let _ = self.socket.emit(&Frame::event_binary(namespace, "message-back", &args, &event.attachments));
            }
            "message-with-ack" => {
                if let Some(ack) = event.ack {
                    ack.send_binary(&args, &event.attachments);
                }
            }
            _ => {}
        }
    }

    async fn closed(&self, reason: CloseReason) {
        tracing::info!(socket = self.socket.id(), %reason, "closed");
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_env_filter("parlor_socketio=debug,echo=info").init();
    let options = Options::parse();
    let config = Config {
        name: "echo".into(),
        namespaces: vec!["/".into(), "/custom".into()],
        ping_interval: Duration::from_millis(options.ping_interval),
        ping_timeout: Duration::from_millis(options.ping_timeout),
        connect_timeout: Duration::from_millis(options.connect_timeout),
        max_payload: options.max_payload,
        max_frame: options.max_payload.max(Config::default().max_frame),
        engine: options.engine.then(|| {
            raw::Engine::new(|client, message| {
                // Closed already: then nobody waits for it.
                let _ = client.send(message);
            })
        }),
        ..Config::default()
    };
    let server = Server::new(config, Echo);
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    // Its failure only means that the process must be killed.
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    server.serve(listener, axum::Router::new(), shutdown).await?;
    server.drain(1_000, Duration::from_secs(5), |_| {}).await;
    Ok(())
}
