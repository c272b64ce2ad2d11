//! The transport alone: what a delivery costs a process that does nothing else (`examples/transport.rs`), beside what
//! the kernel alone takes for the same writes. What `fanout` costs above this is the chat's.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::beside_kernel::{self, BesideKernel};
use super::kernel_alone::KernelAlone;
use crate::aim::Aim;
use crate::client::{Client, Scratch};
use crate::crowd::raise_open_files;
use crate::span::Span;
use crate::table::count;
use crate::wire::Packet;

/// A round that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before anything is measured.
const WARMUP: Duration = Duration::from_secs(1);
/// Handshakes under way at once.
const CONNECTING: usize = 64;

/// Events to many sockets of the transport alone: run the example `transport` and name it as --target
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    aim: Aim,
    /// Sockets
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    sockets: u32,
    /// Events emitted together; the next follow when all sockets have these
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    in_flight: u32,
    /// How often to measure, turn by turn with the bare loop
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
    /// How long a turn takes
    #[arg(long, default_value = "1s")]
    lasts: Span,
    /// Bytes of an event on the wire
    #[arg(long, default_value_t = 230, value_parser = clap::value_parser!(u16).range(64..=4000))]
    size: u16,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sockets: u32,
    pub(crate) in_flight: u32,
    pub(crate) frame_bytes: u64,
    pub(crate) process: String,
    #[serde(flatten)]
    pub(crate) cost: BesideKernel,
}

/// What all sockets have read.
#[derive(Default)]
struct Audience {
    events: Cell<u64>,
    bytes: Cell<u64>,
    wanted: Cell<u64>,
    all: Notify,
    ended: Cell<u64>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let aim = &arguments.aim;
    let &[target] = &aim.target[..] else { bail!("broadcast measures one server: name one --target") };
    let process = aim.processes()?.at(target).context("the server's process is not to be found")?.clone();
    raise_open_files(arguments.sockets as usize)?;
    let (scratch, identities) = (Scratch::new(), aim.identities());
    let clients: Vec<Client> = stream::iter(0..arguments.sockets as usize)
        .map(async |number| Client::connect(target, &identities.auth(number)?, &scratch).await)
        .buffered(CONNECTING)
        .try_collect()
        .await?;
    let speaker = clients.first().context("no socket")?.sender.clone();
    let audience = Rc::new(Audience::default());
    let readers = clients.into_iter().map(|client| tokio::task::spawn_local(listen(client, audience.clone())));
    let readers = Readers(readers.map(|reader| reader.abort_handle()).collect());

    let request =
        format!(r#"42["broadcast",{{"count":{},"bytes":{}}}]"#, arguments.in_flight, arguments.size).into_bytes();
    let flood = async |lasts: Duration| {
        let begin = Instant::now();
        let before = audience.events.get();
        while begin.elapsed() < lasts {
            let lot = u64::from(arguments.sockets) * u64::from(arguments.in_flight);
            audience.wanted.set(audience.events.get() + lot);
            speaker.send(&request)?;
            let all = async {
                while audience.events.get() < audience.wanted.get() {
                    audience.all.notified().await;
                }
            };
            if tokio::time::timeout(PATIENCE, all).await.is_err() {
                let missing = audience.wanted.get() - audience.events.get();
                bail!("{missing} of {lot} events did not come; {} sockets ended", audience.ended.get());
            }
        }
        Ok(audience.events.get() - before)
    };
    flood(WARMUP).await?;
    let frame_bytes = audience.bytes.get() / audience.events.get();
    ensure!(frame_bytes == u64::from(arguments.size), "events of {frame_bytes} bytes came");
    let mut kernel = KernelAlone::connect(arguments.sockets, arguments.in_flight, arguments.size.into()).await?;
    let turn = async || flood(arguments.lasts.0).await;
    let cost = beside_kernel::measure(arguments.turns, &process, &mut kernel, turn).await?;
    drop(readers);
    ensure!(audience.ended.get() == 0, "{} sockets ended", audience.ended.get());
    Ok(Report { sockets: arguments.sockets, in_flight: arguments.in_flight, frame_bytes, process: process.name, cost })
}

struct Readers(Vec<AbortHandle>);

impl Drop for Readers {
    fn drop(&mut self) {
        for reader in &self.0 {
            reader.abort();
        }
    }
}

async fn listen(mut client: Client, audience: Rc<Audience>) {
    let ended = client.reader.pump(|packet, arrival| {
        if let Packet::Event { name: b"news", .. } = packet {
            audience.events.set(audience.events.get() + 1);
            audience.bytes.set(audience.bytes.get() + arrival.size as u64);
            if audience.events.get() >= audience.wanted.get() {
                audience.all.notify_one();
            }
        }
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
    match ended.await {
        Ok(never) => match never {},
        Err(_) => audience.ended.set(audience.ended.get() + 1),
    }
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Report {
    pub(crate) fn print(&self) {
        self.cost.print(&self.process, self.sockets, self.in_flight);
        println!(
            "{} deliveries of {} bytes, {:.0} deliveries/s",
            count(self.cost.deliveries),
            self.frame_bytes,
            self.cost.deliveries_per_second
        );
    }
}
