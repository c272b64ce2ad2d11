//! What the kernel alone takes for a fan-out: a bare loop of vectored writes, one a socket, to as many loopback sockets,
//! read by this program just as the gateway's are.

use std::cell::RefCell;
use std::io::{IoSlice, Write};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// How long it writes.
const LASTS: Duration = Duration::from_secs(3);

/// Counts what the readers have read of a round.
struct Round {
    missing: usize,
    bytes: usize,
    done: mpsc::SyncSender<()>,
}

/// Processor time for each frame, where `frames` frames of `size` bytes go to each of `sockets` sockets in one write.
///
/// # Errors
/// No sockets are to be had, or one does not take a write whole.
pub(crate) async fn run(sockets: u32, frames: u32, size: usize) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (done, next) = mpsc::sync_channel(1);
    let bytes = sockets as usize * frames as usize * size;
    let round = Rc::new(RefCell::new(Round { missing: bytes, bytes, done }));
    let mut writers = Vec::with_capacity(sockets as usize);
    let mut readers = Vec::with_capacity(sockets as usize);
    for _ in 0..sockets {
        let (reader, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        readers.push(tokio::task::spawn_local(read(reader?, round.clone())));
        let writer = accepted?.0.into_std()?;
        writer.set_nodelay(true)?;
        writers.push(writer);
    }
    let frame = vec![b'x'; size];
    let spent = tokio::task::spawn_blocking(move || write(&mut writers, &frame, frames as usize, &next)).await;
    for reader in readers {
        reader.abort();
    }
    spent.context("the writer")?
}

async fn read(mut stream: TcpStream, round: Rc<RefCell<Round>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let mut round = round.borrow_mut();
        round.missing = round.missing.saturating_sub(read);
        if round.missing == 0 {
            round.missing = round.bytes;
            // The writer may have ended.
            let _ = round.done.try_send(());
        }
    }
}

fn write(
    writers: &mut [std::net::TcpStream],
    frame: &[u8],
    frames: usize,
    next: &mpsc::Receiver<()>,
) -> Result<Duration> {
    let slices = vec![IoSlice::new(frame); frames];
    let begin = Instant::now();
    let mut spent = Duration::ZERO;
    let mut rounds = 0_u32;
    while begin.elapsed() < LASTS {
        let before = processor_time();
        for writer in writers.iter_mut() {
            let written = writer.write_vectored(&slices)?;
            ensure!(written == frames * frame.len(), "the kernel took {written} bytes of a write");
        }
        spent += processor_time().saturating_sub(before);
        rounds += 1;
        next.recv_timeout(Duration::from_secs(5)).map_err(|_| anyhow!("the readers did not read a round"))?;
    }
    let frames = u32::try_from(writers.len() * frames)?;
    Ok(spent / rounds / frames)
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
