//! A server with a small application, and clients that speak the wire by hand, so that they can also speak it wrongly.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parlor_socketio::{Application, CloseReason, Config, Connect, Event, Frame, Refusal, Server, Session, Socket};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What happened to the application.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Connected(String),
    Event(String),
    Closed(CloseReason),
}

pub struct App {
    pub seen: broadcast::Sender<Seen>,
    pub sockets: parking_lot::Mutex<Vec<Socket>>,
}

pub struct Client {
    socket: Socket,
    seen: broadcast::Sender<Seen>,
    early: bool,
}

impl Application for App {
    type Session = Client;

    async fn connect(&self, socket: Socket, request: Connect) -> Result<Client, Refusal> {
        let auth: Value = request.auth.map_or(Value::Null, |a| serde_json::from_str(a.get()).unwrap());
        if auth["token"] == "bad" {
            return Err(Refusal { message: "no".into(), data: Some(json!({"code": 401})) });
        }
        if auth["token"] == "slow" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if auth["token"] == "private" {
            socket.set_private_id(format!("pid-of-{:?}-{:?}", request.pid, request.offset));
        }
        let early = socket.emit_event("early", &1).is_err();
        self.sockets.lock().push(socket.clone());
        let agent = request.handshake.headers.get("user-agent").map_or("", |v| v.to_str().unwrap());
        let _ = self.seen.send(Seen::Connected(format!("{} {agent} {}", socket.namespace(), request.handshake.query)));
        Ok(Client { socket, seen: self.seen.clone(), early })
    }
}

impl Session for Client {
    async fn opened(&self) {
        assert!(self.early, "an emit before the CONNECT answer is refused");
        let _ = self.socket.emit_event("hello", &json!({}));
    }

    async fn event(&self, event: Event) {
        let args: Vec<Value> = event.args.iter().map(|a| serde_json::from_str(a.get()).unwrap()).collect();
        match event.name.as_str() {
            "echo" => {
                let _ = self.socket.emit_event("echo", &args);
            }
            "sleep" => tokio::time::sleep(Duration::from_millis(args[0].as_u64().unwrap())).await,
            "ask" => {
                let answer = self.socket.emit_with_ack("question", &args[0], Duration::from_millis(300)).await;
                let text = answer.map_or_else(|e| e.to_string(), |a| a.args.iter().map(|a| a.get()).collect());
                let _ = self.socket.emit_event("answer", &text);
            }
            "echo binary" => {
                let args: Vec<&RawValue> = event.args.iter().map(AsRef::as_ref).collect();
                let _ = self.socket.emit(&Frame::event_binary("/", "echo", &args, &event.attachments));
                if let Some(ack) = event.ack {
                    ack.send_binary(&args, &event.attachments);
                }
                return;
            }
            "ask binary" => {
                let args: Vec<&RawValue> = event.args.iter().map(AsRef::as_ref).collect();
                let timeout = Duration::from_millis(300);
                let answer = self.socket.emit_binary_with_ack("question", &args, &event.attachments, timeout).await;
                let text = answer.map_or_else(
                    |e| e.to_string(),
                    |a| format!("{:?}", a.args.iter().map(|arg| a.attachment(arg)).collect::<Vec<_>>()),
                );
                let _ = self.socket.emit_event("answer", &text);
            }
            "put me out of this" => self.socket.disconnect_namespace(),
            "put me out" => self.socket.disconnect(CloseReason::ServerDisconnect),
            "close me" => self.socket.close(CloseReason::Superseded),
            "panic" => panic!("as asked"),
            _ => {}
        }
        if let Some(ack) = event.ack {
            match event.fault {
                Some(fault) => ack.send(&json!({"fault": format!("{fault:?}")})),
                None => ack.send(&args),
            }
        }
        let _ = self.seen.send(Seen::Event(event.name));
    }

    async fn closed(&self, reason: CloseReason) {
        assert!(!self.socket.is_open());
        let _ = self.seen.send(Seen::Closed(reason));
    }
}

pub struct Running {
    pub server: Arc<Server<Arc<App>>>,
    pub address: SocketAddr,
    pub seen: broadcast::Receiver<Seen>,
    pub stop: CancellationToken,
}

impl Running {
    pub async fn seen(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = timeout(PATIENCE, self.seen.recv()).await.expect("seen in time").unwrap();
            if wanted(&seen) {
                return seen;
            }
        }
    }

    pub async fn closed(&mut self) -> CloseReason {
        let Seen::Closed(reason) = self.seen(|s| matches!(s, Seen::Closed(_))).await else { unreachable!() };
        reason
    }

    pub async fn until_connections(&self, count: usize) {
        timeout(PATIENCE, async {
            while self.server.connections() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("connections in time");
    }

    pub fn broadcast(&self, name: &str, arg: &Value) {
        let frame = Frame::event("/", name, arg).unwrap();
        for socket in self.server.app().sockets.lock().iter() {
            let _ = socket.emit(&frame);
        }
    }
}

/// Times long enough not to matter.
pub fn calm() -> Config {
    Config {
        ping_interval: Duration::from_secs(60),
        ping_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(60),
        header_timeout: Duration::from_secs(60),
        ..Config::for_testing()
    }
}

pub async fn start(config: Config) -> Running {
    let (sender, seen) = broadcast::channel(100_000);
    let app = Arc::new(App { seen: sender, sockets: parking_lot::Mutex::default() });
    let server = Server::new(config, app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let rest = axum::Router::new().route("/other", axum::routing::get(|| async { "other" }));
    let (serving, token) = (server.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, rest, token).await.unwrap() });
    Running { server, address, seen, stop }
}

/// What a WebSocket client reads.
#[derive(Debug, PartialEq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    /// A text message, as it came: compressed.
    Deflated(Vec<u8>),
    Close(u16, String),
    Pong(Vec<u8>),
    End,
}

pub struct WsClient {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// The head of the handshake's answer.
    pub head: String,
    /// Answers pings unless told not to.
    pub pongs: bool,
}

impl WsClient {
    pub async fn handshake(address: SocketAddr) -> Self {
        Self::handshake_with(address, "").await.expect("101")
    }

    /// The status and body, if it is not 101.
    pub async fn handshake_with(address: SocketAddr, headers: &str) -> Result<Self, (u16, String)> {
        Self::request(address, "EIO=4&transport=websocket", headers).await
    }

    pub async fn request(address: SocketAddr, query: &str, headers: &str) -> Result<Self, (u16, String)> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut http = Http { stream, buffer: Vec::new() };
        let response = http.response().await;
        if response.status != 101 {
            return Err((response.status, response.body));
        }
        assert!(response.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{}", response.head);
        Ok(Self { stream: http.stream, buffer: http.buffer, head: response.head, pongs: true })
    }

    /// Handshake, open packet, CONNECT, its answer and the application's first event.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, "").await
    }

    pub async fn connect_with(address: SocketAddr, headers: &str) -> Self {
        let mut client = Self::handshake_with(address, headers).await.expect("101");
        assert!(client.text().await.starts_with("0{"));
        client.send("40").await;
        assert!(client.text().await.starts_with("40{\"sid\":"));
        assert_eq!(client.text().await, "42[\"hello\",{}]");
        client
    }

    pub async fn send(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes()).await;
    }

    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        let frame = frame(first, payload);
        // The server may have closed already: then reading tells.
        let _ = self.stream.write_all(&frame).await;
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Got::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    /// Reads on to the close frame and returns its code.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await {
                Got::Close(code, _) => return code,
                Got::End => panic!("ended without a close frame"),
                _ => {}
            }
        }
    }

    pub async fn next(&mut self) -> Got {
        timeout(PATIENCE, self.next_unbounded()).await.expect("a frame in time")
    }

    async fn next_unbounded(&mut self) -> Got {
        loop {
            if let Some((first, payload)) = self.take() {
                match first {
                    0x81 if payload == b"2" => {
                        if self.pongs {
                            self.send("3").await;
                        }
                    }
                    0x81 => return Got::Text(String::from_utf8(payload).unwrap()),
                    0x82 => return Got::Binary(payload),
                    0xC1 => return Got::Deflated(payload),
                    0x88 => {
                        let code = u16::from_be_bytes([payload[0], payload[1]]);
                        return Got::Close(code, String::from_utf8(payload[2..].to_vec()).unwrap());
                    }
                    0x8A => return Got::Pong(payload),
                    other => panic!("frame {other:x}"),
                }
                continue;
            }
            let mut chunk = vec![0; 65536];
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return Got::End,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let b = &self.buffer;
        let (first, short) = (*b.first()?, *b.get(1)?);
        let (head, len) = match short {
            126 => (4, u16::from_be_bytes(b.get(2..4)?.try_into().unwrap()) as usize),
            127 => (10, u64::from_be_bytes(b.get(2..10)?.try_into().unwrap()) as usize),
            n => (2, n as usize),
        };
        let payload = b.get(head..head + len)?.to_vec();
        self.buffer.drain(..head + len);
        Some((first, payload))
    }
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..65536 => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    let mask = [9, 8, 7, 6];
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One HTTP connection.
pub struct Http {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub async fn new(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub async fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        self.send(method, target, headers, body).await;
        self.response().await
    }

    pub async fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: hand\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    pub async fn response(&mut self) -> Response {
        timeout(PATIENCE, self.response_unbounded()).await.expect("a response in time")
    }

    async fn response_unbounded(&mut self) -> Response {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
                let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let length: usize = length.unwrap_or(0);
                if self.buffer.len() >= end + 4 + length {
                    let body = String::from_utf8(self.buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                    self.buffer.drain(..end + 4 + length);
                    return Response { status: head[9..12].parse().unwrap(), head, body };
                }
            }
            let mut chunk = vec![0; 65536];
            let n = self.stream.read(&mut chunk).await.unwrap();
            assert!(n > 0, "closed without a response");
            self.buffer.extend_from_slice(&chunk[..n]);
        }
    }
}

/// A polling session.
pub struct Poller {
    pub http: Http,
    pub target: String,
}

impl Poller {
    pub async fn open(address: SocketAddr) -> Self {
        let mut http = Http::new(address).await;
        let opened = http.ask("GET", "/socket.io/?EIO=4&transport=polling", "", "").await;
        assert_eq!(opened.status, 200, "{opened:?}");
        let open: Value = serde_json::from_str(opened.body.strip_prefix('0').unwrap()).unwrap();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
        Self { http, target }
    }

    pub async fn connect(address: SocketAddr) -> Self {
        let mut poller = Self::open(address).await;
        assert_eq!(poller.post("40").await.body, "ok");
        let mut got = poller.get().await.body;
        if !got.contains("hello") {
            got = poller.get().await.body;
        }
        assert!(got.ends_with("42[\"hello\",{}]"), "{got}");
        poller
    }

    pub async fn get(&mut self) -> Response {
        self.http.ask("GET", &self.target.clone(), "", "").await
    }

    pub async fn post(&mut self, body: &str) -> Response {
        self.http.ask("POST", &self.target.clone(), "Content-Type: text/plain;charset=UTF-8\r\n", body).await
    }
}
