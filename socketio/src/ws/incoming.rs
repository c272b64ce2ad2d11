//! The reading side of a WebSocket: reads into a buffer that all connections of a thread share, and keeps nothing but
//! what an incomplete message has brought so far.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::decoder::{Decoder, Sink};
use super::outgoing::Stream;
use crate::CloseReason;

/// Bytes of one read.
const READ: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What a WebSocket brings.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) stream: Arc<Stream>,
    decoder: Decoder,
}

impl Incoming {
    pub(crate) fn new(stream: Arc<Stream>) -> Self {
        let decoder = Decoder::new(stream.deflate.is_some());
        Self { stream, decoder }
    }

    /// Hands on what is held back since the sink paused, or came along with the HTTP request.
    pub(crate) fn feed(&mut self, data: &mut [u8], max: usize, sink: Sink<'_>) -> Result<(), CloseReason> {
        self.decoder.feed(data, max, sink)
    }

    /// Reads once and hands on what came.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        sink: Sink<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        let Self { stream, decoder } = self;
        SCRATCH.with_borrow_mut(|scratch| match ready!(poll_read(stream, cx, scratch)) {
            Ok(0) => Poll::Ready(Err(CloseReason::TransportClose)),
            Ok(read) => Poll::Ready(decoder.feed(&mut scratch[..read], max, sink)),
            Err(_) => Poll::Ready(Err(CloseReason::TransportError)),
        })
    }

    /// Reads and forgets until the peer ends: closing earlier, with unread data, would reset the connection and could
    /// take the last frames from the peer (RFC 6455 §7.1.1).
    pub(crate) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                match ready!(poll_read(&self.stream, cx, scratch)) {
                    Ok(1..) => {}
                    _ => return Poll::Ready(()),
                }
            }
        })
    }
}

fn poll_read(stream: &Stream, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.tcp.poll_read_ready(cx))?;
        match stream.tcp.try_read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}
