//! One Socket.IO client over WebSocket, as light as can be: no buffer of its own while nothing is under way.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::target::Target;
use crate::wire::{self, Malformed, Opcode, Packet};

/// A server that does not answer for so long during the handshake is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer HTTP answers to a handshake are not read.
const MAX_HEAD: usize = 16 * 1024;
/// What a server that does not read may leave here.
const MAX_PENDING: usize = 4 << 20;
/// Bytes read at once; a longer frame ends the connection.
const SCRATCH: usize = 512 * 1024;

/// The buffer that all connections of a thread read into.
#[derive(Clone)]
pub(crate) struct Scratch(Rc<RefCell<Box<[u8]>>>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; SCRATCH].into_boxed_slice())))
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the server closed the connection ({0} {1})")]
    Closed(u16, String),
    #[error("the server ended the connection")]
    End,
    #[error("the connection broke ({0})")]
    Broken(std::io::ErrorKind),
    #[error("the server sent {0}")]
    Malformed(#[from] Malformed),
    #[error("the server sent a frame over {SCRATCH} bytes")]
    TooLarge,
    #[error("the server disconnected the socket")]
    Disconnected,
}

/// The server answered CONNECT with CONNECT_ERROR: a stock client does not try again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the server refused a client: {0}")]
pub(crate) struct Refused(String);

/// What a handler sees of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it was read.
    pub(crate) at: Instant,
    /// Bytes of this packet's frame on the wire.
    pub(crate) size: usize,
}

/// A connection that the server has let in.
pub(crate) struct Client {
    pub(crate) reader: Reader,
    pub(crate) sender: Rc<Sender>,
    /// The name of the gateway that it is connected to: sids begin with it.
    pub(crate) gateway: String,
    /// The private id that the answer to CONNECT carried.
    pub(crate) pid: Option<String>,
}

impl Client {
    /// Connects, and presents `auth` (JSON).
    ///
    /// # Errors
    /// Nobody is there, or the server refuses.
    pub(crate) async fn connect(target: Target, auth: &str, scratch: &Scratch) -> Result<Self> {
        match tokio::time::timeout(PATIENCE, Self::handshake(target, auth, scratch)).await {
            Ok(connected) => connected,
            Err(_) => bail!("{target} took more than {} s to let a client in", PATIENCE.as_secs()),
        }
    }

    async fn handshake(target: Target, auth: &str, scratch: &Scratch) -> Result<Self> {
        let mut stream = TcpStream::connect(target.0).await.with_context(|| format!("nobody listens at {target}"))?;
        stream.set_nodelay(true)?;
        let rest = upgrade(&mut stream, target).await?;
        let (read, write) = stream.into_split();
        let sender = Rc::new(Sender::new(write));
        let mut reader = Reader { half: read, rest, scratch: scratch.clone(), sender: sender.clone(), offset: None };
        let sid = reader
            .pump(|packet, _| match packet {
                Packet::Open(open) => ControlFlow::Break(sid(open)),
                _ => ControlFlow::Continue(()),
            })
            .await?
            .context("the server's Engine.IO handshake names no sid")?;
        sender.send(format!("40{auth}").as_bytes())?;
        let pid = reader
            .pump(|packet, _| match packet {
                Packet::Connected(answer) => ControlFlow::Break(Ok(wire::private_id(answer))),
                Packet::Refused(why) => ControlFlow::Break(Err(Refused(String::from_utf8_lossy(why).into_owned()))),
                _ => ControlFlow::Continue(()),
            })
            .await??;
        let gateway = sid.split_once('.').map_or(sid.as_str(), |(gateway, _)| gateway).to_owned();
        Ok(Self { reader, sender, gateway, pid })
    }

    /// Emits an event with an ack, and returns what the ack says, a JSON array. For preparations: events that come
    /// meanwhile are dropped.
    ///
    /// # Errors
    /// The connection ended, or the ack is a refusal.
    pub(crate) async fn ask(&mut self, name: &str, arg: &serde_json::Value) -> Result<String> {
        /// No message has this number.
        const ID: u64 = u64::MAX;
        self.sender.send(format!("42{ID}[\"{name}\",{arg}]").as_bytes())?;
        let answer = self.reader.pump(|packet, _| match packet {
            Packet::Ack { id: ID, args } => ControlFlow::Break(
                wire::refusal(args).map_or_else(|| Ok(String::from_utf8_lossy(args).into_owned()), Err),
            ),
            _ => ControlFlow::Continue(()),
        });
        match tokio::time::timeout(PATIENCE, answer).await {
            Err(_) => bail!("no answer to {name} within {} s", PATIENCE.as_secs()),
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(no))) => bail!("{name} was refused: {} ({})", no.error, no.message),
            Ok(Err(ended)) => Err(ended.into()),
        }
    }
}

/// Asks for a WebSocket, and returns what came after the answer.
async fn upgrade(stream: &mut TcpStream, target: Target) -> Result<Vec<u8>> {
    let key = tungstenite::handshake::client::generate_key();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n",
        target.0
    );
    stream.write_all(request.as_bytes()).await?;
    let mut data = Vec::with_capacity(1024);
    let end = loop {
        if let Some(end) = data.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if data.len() > MAX_HEAD || stream.read_buf(&mut data).await? == 0 {
            bail!("{target} does not answer HTTP");
        }
    };
    let rest = data.split_off(end + 4);
    let head = String::from_utf8_lossy(&data);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        let body = String::from_utf8_lossy(&rest);
        bail!("{target} refuses a WebSocket: {status} {body}");
    }
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let accepted = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == accept);
    anyhow::ensure!(accepted, "{target} answered the WebSocket handshake with another key");
    Ok(rest)
}

fn sid(open: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Open {
        sid: String,
    }
    serde_json::from_slice::<Open>(open).ok().map(|open| open.sid)
}

/// The reading side. Answers pings by itself.
pub(crate) struct Reader {
    half: OwnedReadHalf,
    /// The beginning of a frame, or what a handler that had heard enough left.
    rest: Vec<u8>,
    scratch: Scratch,
    sender: Rc<Sender>,
    /// The last offset, as a stock client takes it from every event.
    pub(crate) offset: Option<String>,
}

impl Reader {
    /// Hands every packet to `on`, until that breaks.
    ///
    /// # Errors
    /// The connection ended.
    pub(crate) async fn pump<T>(
        &mut self,
        mut on: impl FnMut(Packet<'_>, Arrival) -> ControlFlow<T>,
    ) -> Result<T, Ended> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            if let Some(value) = self.take(&rest, &mut on)? {
                return Ok(value);
            }
        }
        std::future::poll_fn(|cx| {
            loop {
                if let Some(value) = ready!(self.poll_read(cx, &mut on))? {
                    return Poll::Ready(Ok(value));
                }
            }
        })
        .await
    }

    /// One read. Ready with none: there may be more.
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut impl FnMut(Packet<'_>, Arrival) -> ControlFlow<T>,
    ) -> Poll<Result<Option<T>, Ended>> {
        let scratch = self.scratch.clone();
        let mut scratch = scratch.0.borrow_mut();
        let kept = self.rest.len();
        let Some((begin, room)) = scratch.split_at_mut_checked(kept).filter(|(_, room)| !room.is_empty()) else {
            return Poll::Ready(Err(Ended::TooLarge));
        };
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut self.half).poll_read(cx, &mut buffer)).map_err(|error| Ended::Broken(error.kind()))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Err(Ended::End));
        }
        begin.copy_from_slice(&self.rest);
        self.rest = Vec::new();
        Poll::Ready(self.take(&scratch[..kept + read], on))
    }

    /// Takes the whole frames that `data` begins with, and keeps the rest.
    fn take<T>(
        &mut self,
        data: &[u8],
        on: &mut impl FnMut(Packet<'_>, Arrival) -> ControlFlow<T>,
    ) -> Result<Option<T>, Ended> {
        let now = Instant::now();
        let mut at = 0;
        while let Some(frame) = wire::parse(&data[at..])? {
            at += frame.size;
            let broke = match frame.opcode {
                Opcode::Text => match Packet::parse(frame.payload) {
                    Packet::Ping => {
                        self.sender.send(b"3")?;
                        None
                    }
                    Packet::Disconnected => return Err(Ended::Disconnected),
                    packet => {
                        if let Packet::Event { name, args } = &packet
                            && let Some(offset) = wire::offset(name, args)
                        {
                            self.offset = Some(offset);
                        }
                        on(packet, Arrival { at: now, size: frame.size }).break_value()
                    }
                },
                Opcode::Ping => {
                    self.sender.write(Opcode::Pong, frame.payload)?;
                    None
                }
                Opcode::Pong => None,
                Opcode::Close => {
                    let (code, reason) = frame.payload.split_at_checked(2).unwrap_or((&[0, 0], &[]));
                    let code = u16::from_be_bytes([code[0], code[1]]);
                    return Err(Ended::Closed(code, String::from_utf8_lossy(reason).into_owned()));
                }
            };
            if broke.is_some() {
                self.rest.extend_from_slice(&data[at..]);
                return Ok(broke);
            }
        }
        self.rest.extend_from_slice(&data[at..]);
        Ok(None)
    }
}

/// The writing side.
pub(crate) struct Sender {
    half: OwnedWriteHalf,
    /// What the kernel did not take at once.
    pending: RefCell<Vec<u8>>,
    flushing: Cell<bool>,
}

impl Sender {
    fn new(half: OwnedWriteHalf) -> Self {
        Self { half, pending: RefCell::new(Vec::new()), flushing: Cell::new(false) }
    }

    /// Sends a packet. What the kernel does not take at once follows by itself.
    ///
    /// # Errors
    /// The connection ended, or the server has stopped reading.
    pub(crate) fn send(self: &Rc<Self>, packet: &[u8]) -> Result<(), Ended> {
        self.write(Opcode::Text, packet)
    }

    fn write(self: &Rc<Self>, opcode: Opcode, payload: &[u8]) -> Result<(), Ended> {
        let mut frames = Frames::new();
        frames.opcode(opcode, payload);
        self.send_all(&frames)
    }

    /// Sends several packets in one write.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn send_all(self: &Rc<Self>, frames: &Frames) -> Result<(), Ended> {
        let mut pending = self.pending.borrow_mut();
        let mut written = 0;
        if pending.is_empty() {
            written = match self.half.try_write(&frames.0) {
                Ok(written) => written,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(Ended::Broken(error.kind())),
            };
        }
        if written < frames.0.len() {
            pending.extend_from_slice(&frames.0[written..]);
            if pending.len() > MAX_PENDING {
                return Err(Ended::Broken(std::io::ErrorKind::TimedOut));
            }
            if !self.flushing.replace(true) {
                tokio::task::spawn_local(self.clone().flush());
            }
        }
        Ok(())
    }

    async fn flush(self: Rc<Self>) {
        // A broken connection is the reader's to notice.
        while self.half.writable().await.is_ok() {
            let mut pending = self.pending.borrow_mut();
            match self.half.try_write(&pending) {
                Ok(written) => drop(pending.drain(..written)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if pending.is_empty() {
                *pending = Vec::new();
                break;
            }
        }
        self.flushing.set(false);
    }
}

/// Packets, framed.
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(512))
    }

    pub(crate) fn push(&mut self, packet: &[u8]) {
        self.opcode(Opcode::Text, packet);
    }

    fn opcode(&mut self, opcode: Opcode, payload: &[u8]) {
        wire::write(opcode, payload, rand::random(), &mut self.0);
    }
}
