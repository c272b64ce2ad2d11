//! The writing side of a WebSocket: what is queued goes out in few system calls, straight from the shared frames.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::link::Link;
use crate::offsets::Buffers;
use crate::{CloseReason, Frame, metric};

/// Frames of one write.
const BATCH: usize = 64;
/// A thread's buffer for offset events is given back beyond this.
const TRAILER_KEPT: usize = 16 * 1024;

/// A TCP stream that speaks WebSocket.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) tcp: TcpStream,
    /// Compression was negotiated: payloads from this many bytes are compressed.
    pub(crate) deflate: Option<usize>,
}

/// What a flush came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is queued any more, or nothing of it is to be written.
    Done,
    /// Somebody else is writing it: once a link is being closed, they wake its task when that is done.
    Busy,
    /// The kernel takes no more for now: the link's task waits for it.
    Blocked,
}

/// Buffers that stay with a thread.
#[derive(Default)]
struct Scratch {
    frames: Vec<Frame>,
    /// The offset event behind the frames of one write.
    trailer: Vec<u8>,
    buffers: Buffers,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Writes all that a link has queued.
pub(crate) fn flush(link: &Link) -> Flushed {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut frames = 0;
        let flushed = flush_one(link, scratch, &mut frames);
        if frames > 0 {
            metric::frames_out(frames);
        }
        flushed
    })
}

/// Writes all that these links have queued. Where the kernel takes no more, the link's task is woken.
pub(crate) fn flush_all(links: &[Arc<Link>]) {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut frames = 0;
        for link in links {
            if flush_one(link, scratch, &mut frames) == Flushed::Blocked {
                link.task.wake();
            }
        }
        metric::frames_out(frames);
    });
}

fn flush_one(link: &Link, scratch: &mut Scratch, count: &mut usize) -> Flushed {
    loop {
        let (stream, skip, offset_due) = {
            let mut outbox = link.outbox.lock();
            outbox.scheduled = false;
            if outbox.closing.is_some_and(|closing| closing.abort) {
                return Flushed::Done;
            }
            if outbox.writing {
                outbox.awaited |= outbox.closing.is_some();
                return Flushed::Busy;
            }
            if outbox.blocked {
                return Flushed::Blocked;
            }
            if outbox.frames.is_empty() && !outbox.offset_due {
                outbox.stalled = None;
                outbox.shrink();
                if std::mem::take(&mut outbox.awaited) {
                    link.task.wake();
                }
                return Flushed::Done;
            }
            let Some(stream) = outbox.stream.clone() else { return Flushed::Done };
            let batch = outbox.frames.len().min(BATCH);
            scratch.frames.extend(outbox.frames.drain(..batch));
            outbox.writing = true;
            (stream, std::mem::take(&mut outbox.written), std::mem::take(&mut outbox.offset_due))
        };
        if let Some(tracker) = link.tracker.get() {
            tracker.write_after(&scratch.frames, offset_due, &mut scratch.buffers, &mut scratch.trailer);
        }
        let written = write(&stream, scratch, skip);
        if let Some(flushed) = settle(link, &stream, scratch, skip, written, count) {
            return flushed;
        }
    }
}

fn write(stream: &Stream, scratch: &Scratch, skip: usize) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); BATCH + 1];
    let mut count = 0;
    let frames = scratch.frames.iter().map(|frame| frame.wire(stream.deflate));
    for (slice, bytes) in slices.iter_mut().zip(frames.chain([scratch.trailer.as_slice()])) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    // What the first frame has left; a frame that is wholly written is not in the queue.
    let first = scratch.frames.first().map_or(&[][..], |frame| &frame.wire(stream.deflate)[skip..]);
    if !first.is_empty() {
        slices[0] = IoSlice::new(first);
    }
    if scratch.trailer.is_empty() {
        count -= 1;
    }
    if count == 0 {
        return Ok(0);
    }
    stream.tcp.try_write_vectored(&slices[..count])
}

/// Takes note of what was written. `None`: there may be more to write.
fn settle(
    link: &Link,
    stream: &Stream,
    scratch: &mut Scratch,
    skip: usize,
    written: io::Result<usize>,
    count: &mut usize,
) -> Option<Flushed> {
    let Scratch { frames, trailer, .. } = scratch;
    let sizes = || frames.iter().map(|frame| frame.wire(stream.deflate).len());
    let whole = sizes().sum::<usize>() - skip + trailer.len();
    let mut written = match written {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted => 0,
        Err(_) => {
            drop_batch(frames, trailer);
            link.outbox.lock().writing = false;
            link.close(CloseReason::TransportError, true);
            return Some(Flushed::Done);
        }
    };
    if written == whole {
        let cost: usize = frames.iter().map(Frame::cost).sum();
        *count += frames.len();
        drop_batch(frames, trailer);
        let mut outbox = link.outbox.lock();
        outbox.writing = false;
        outbox.bytes = outbox.bytes.saturating_sub(cost);
        return None;
    }
    // From here on it is the task's: the rest goes back to the head of the queue.
    let (mut done, mut at, mut cost) = (0, skip, 0);
    for (frame, size) in frames.iter().zip(sizes()) {
        let left = size - at;
        if written < left {
            break;
        }
        written -= left;
        (done, at) = (done + 1, 0);
        cost += frame.cost();
    }
    *count += done;
    let mut outbox = link.outbox.lock();
    outbox.writing = false;
    outbox.bytes = outbox.bytes.saturating_sub(cost);
    outbox.written = at + written;
    if !trailer.is_empty() {
        let frame = Frame::framed_already(trailer);
        outbox.bytes += frame.cost();
        outbox.frames.push_front(frame);
    }
    for frame in frames.drain(done..).rev() {
        outbox.frames.push_front(frame);
    }
    outbox.blocked = true;
    outbox.stalled.get_or_insert_with(Instant::now);
    drop(outbox);
    drop_batch(frames, trailer);
    Some(Flushed::Blocked)
}

fn drop_batch(frames: &mut Vec<Frame>, trailer: &mut Vec<u8>) {
    frames.clear();
    trailer.clear();
    trailer.shrink_to(TRAILER_KEPT);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::link;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn who_closes_waits_for_who_writes_and_is_woken() {
        let (_client, server) = pair().await;
        let link = link::for_testing(64 * 1024, false);
        assert!(link.attach(Arc::new(Stream { tcp: server, deflate: None })));
        link.push(Frame::text("last words")).unwrap();
        link.outbox.lock().writing = true;
        link.close(CloseReason::ServerDisconnect, false);
        let woken = Arc::new(Woken::default());
        link.task.register(&woken.clone().into());
        assert_eq!(flush(&link), Flushed::Busy);
        assert!(!woken.0.load(Ordering::Acquire));
        // The other one has written its batch, and looks for more.
        link.outbox.lock().writing = false;
        assert_eq!(flush(&link), Flushed::Done);
        assert!(woken.0.load(Ordering::Acquire));
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[tokio::test]
    async fn whatever_the_kernel_takes_at_a_time_nothing_is_lost_doubled_or_reordered() {
        let (mut client, server) = pair().await;
        socket2::SockRef::from(&server).set_send_buffer_size(4096).unwrap();
        let link = link::for_testing(64 * 1024 * 1024, false);
        let stream = Arc::new(Stream { tcp: server, deflate: None });
        assert!(link.attach(stream.clone()));
        let mut expected = Vec::new();
        let mut blocked = 0;
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        });
        for i in 0..2_000_usize {
            let frame = Frame::text(&format!("{i}{}", "x".repeat(i * 7 % 3_000)));
            expected.extend_from_slice(frame.framed());
            link.push(frame).unwrap();
            if i % 13 == 0 && flush(&link) == Flushed::Blocked {
                blocked += 1;
                assert!(link.stalled().is_some());
                stream.tcp.writable().await.unwrap();
                link.unblock();
            }
        }
        while flush(&link) == Flushed::Blocked {
            stream.tcp.writable().await.unwrap();
            link.unblock();
        }
        assert!(blocked > 0, "the kernel never refused: this tests nothing");
        assert_eq!((link.queued_bytes(), link.stalled()), (0, None));
        link.clear();
        drop(stream);
        assert!(reader.await.unwrap() == expected);
    }
}
