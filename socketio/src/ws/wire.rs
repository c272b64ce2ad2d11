//! A TCP stream that speaks WebSocket: reads into a buffer that all connections of a thread share, writes what is
//! queued in few system calls, and holds no buffer of its own while idle.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::decoder::{Decoder, Sink};
use crate::link::Link;
use crate::{CloseReason, Frame, metric};

/// Bytes of one read.
const READ: usize = 64 * 1024;
/// Frames of one write.
const BATCH: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// The carrier of a connection over WebSocket.
pub(crate) struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    /// Taken from the link and not yet written.
    writing: VecDeque<Frame>,
    /// Bytes of the first of them that are written already.
    offset: usize,
    /// Since when the kernel has refused writes, until everything queued was written.
    pub(crate) stalled: Option<Instant>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, decoder: Decoder::default(), writing: VecDeque::new(), offset: 0, stalled: None }
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
        let Self { stream, decoder, .. } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match ready!(Pin::new(stream).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => Poll::Ready(Err(CloseReason::TransportClose)),
                Ok(()) => Poll::Ready(decoder.feed(buffer.filled_mut(), max, sink)),
                Err(_) => Poll::Ready(Err(CloseReason::TransportError)),
            }
        })
    }

    /// Writes all that is queued. Pending: the kernel takes no more for now.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                link.take(&mut self.writing);
                if self.writing.is_empty() {
                    self.stalled = None;
                    return Poll::Ready(Ok(()));
                }
            }
            match self.poll_write(cx, link) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); BATCH];
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.writing) {
            let skip = if count == 0 { self.offset } else { 0 };
            *slice = IoSlice::new(&frame.framed()[skip..]);
            count += 1;
        }
        let mut written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let (mut cost, mut frames) = (0, 0);
        while let Some(first) = self.writing.front() {
            let left = first.len() - self.offset;
            if written < left {
                self.offset += written;
                break;
            }
            written -= left;
            self.offset = 0;
            cost += first.cost();
            frames += 1;
            self.writing.pop_front();
        }
        link.release(cost);
        metric::frames_out(frames);
        Poll::Ready(Ok(()))
    }

    /// Queues a last frame behind what is being written, past the link's bound.
    pub(crate) fn finish_with(&mut self, frame: Frame) {
        self.writing.push_back(frame);
    }

    /// Writes what [`finish_with`](Self::finish_with) left, then ends the stream's own direction.
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        while !self.writing.is_empty() {
            ready!(self.poll_write(cx, link))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads and forgets until the peer ends: closing earlier, with unread data, would reset the connection and could
    /// take the last frames from the peer (RFC 6455 §7.1.1).
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = &mut self.stream;
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    _ => return Poll::Ready(()),
                }
            }
        })
    }

    /// Lets the kernel drop what it still holds for a peer that does not read, instead of trying for minutes.
    pub(crate) fn reset(&self) {
        // Without it, the kernel only takes longer.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Gives the cost of what was never written back to the link.
    pub(crate) fn abandon(&mut self, link: &Link) {
        link.release(self.writing.iter().map(Frame::cost).sum());
        self.writing = VecDeque::new();
    }
}
