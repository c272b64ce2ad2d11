//! What the kernel alone takes for a fan-out: a bare loop of vectored writes, one a socket, to as many loopback sockets,
//! read by this program just as the server's are.

use std::cell::RefCell;
use std::io::{IoSlice, Write};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::crowd::raise_open_files;

/// As many sockets, and a writer.
pub(crate) struct KernelAlone {
    /// None while it writes.
    writer: Option<Writer>,
    readers: Vec<AbortHandle>,
}

/// Counts what the readers have read of a round.
struct Round {
    missing: usize,
    bytes: usize,
    done: mpsc::SyncSender<()>,
}

struct Writer {
    sockets: Vec<std::net::TcpStream>,
    frame: Vec<u8>,
    frames: usize,
    /// Told when the readers have a round.
    next: mpsc::Receiver<()>,
}

impl KernelAlone {
    /// `frames` frames of `size` bytes will go to each of `sockets` sockets in one write.
    ///
    /// # Errors
    /// No sockets are to be had.
    pub(crate) async fn connect(sockets: u32, frames: u32, size: usize) -> Result<Self> {
        // Two ends here, and the server's clients beside them.
        raise_open_files(sockets as usize * 3)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (done, next) = mpsc::sync_channel(1);
        let bytes = sockets as usize * frames as usize * size;
        let round = Rc::new(RefCell::new(Round { missing: bytes, bytes, done }));
        let mut writers = Vec::with_capacity(sockets as usize);
        let mut readers = Vec::with_capacity(sockets as usize);
        for _ in 0..sockets {
            let (reader, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            readers.push(tokio::task::spawn_local(read(reader?, round.clone())).abort_handle());
            let writer = accepted?.0.into_std()?;
            writer.set_nodelay(true)?;
            writers.push(writer);
        }
        let writer = Writer { sockets: writers, frame: vec![b'x'; size], frames: frames as usize, next };
        Ok(Self { writer: Some(writer), readers })
    }

    /// Processor time for each frame, over so long a time.
    ///
    /// # Errors
    /// A socket does not take a write whole, or a reader does not read.
    pub(crate) async fn run(&mut self, lasts: Duration) -> Result<Duration> {
        let mut writer = self.writer.take().context("the writer was lost")?;
        let (spent, writer) = tokio::task::spawn_blocking(move || (writer.write(lasts), writer)).await?;
        self.writer = Some(writer);
        spent
    }
}

impl Drop for KernelAlone {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
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

impl Writer {
    fn write(&mut self, lasts: Duration) -> Result<Duration> {
        let slices = vec![IoSlice::new(&self.frame); self.frames];
        let begin = Instant::now();
        let mut spent = Duration::ZERO;
        let mut rounds = 0_u32;
        while begin.elapsed() < lasts {
            let before = processor_time();
            for socket in &mut self.sockets {
                let written = socket.write_vectored(&slices)?;
                ensure!(written == self.frames * self.frame.len(), "the kernel took {written} bytes of a write");
            }
            spent += processor_time().saturating_sub(before);
            rounds += 1;
            let next = self.next.recv_timeout(Duration::from_secs(5));
            next.map_err(|_| anyhow!("the readers did not read a round"))?;
        }
        let frames = u32::try_from(self.sockets.len() * self.frames)?;
        Ok(spent / rounds / frames)
    }
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
