//! A gateway dies under its clients, who all come back at once, while messages go on: how long that takes, who goes on
//! with their session, and what anybody misses.

mod books;
mod member;
mod report;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::aim::Aim;
use crate::client::{Frames, Scratch};
use crate::content::Contents;
use crate::crowd::{MAX_SOCKETS, raise_open_files};
use crate::groups;
use crate::span::Span;
use crate::timer::Timer;
use crate::watch::{Process, Processes};
use books::Books;
pub(crate) use report::Report;

/// Handshakes under way at once, before the storm.
const CONNECTING: usize = 64;
/// Tries to find a member that is connected.
const TRIES: u32 = 50;
/// How often it is looked whether all are back.
const LOOK: Duration = Duration::from_millis(20);

/// A gateway is killed while messages flow: when its clients are back, and what they miss
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) aim: Aim,
    /// Clients, over all gateways
    #[arg(long, default_value_t = 5_000)]
    pub(super) sockets: u32,
    /// Clients in each room; each client is in one
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) members: u32,
    /// The rooms are channels that are joined, and left with the connection, instead of groups
    #[arg(long)]
    pub(super) channels: bool,
    /// Messages per second over all rooms
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: u32,
    /// The process that is killed (kill -9), as the pids file names it
    #[arg(long, default_value = "gateway-2", value_name = "NAME")]
    pub(super) kill: String,
    /// Kill nothing: cut the connections to that gateway at the clients' side
    #[arg(long)]
    pub(super) cut: bool,
    /// How long messages flow before
    #[arg(long, default_value = "5s")]
    pub(super) before: Span,
    /// How long they go on once all are back
    #[arg(long, default_value = "5s")]
    pub(super) after: Span,
    /// How long to wait, at most, until all are back and caught up; and afterwards for what is under way
    #[arg(long, default_value = "60s")]
    pub(super) patience: Span,
    /// Bytes of a message's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub(super) size: u16,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Report> {
    let rooms = arguments.sockets.div_ceil(arguments.members);
    let sockets = rooms * arguments.members;
    ensure!(sockets as usize <= MAX_SOCKETS, "{sockets} sockets are too many: {MAX_SOCKETS} at most");
    raise_open_files(sockets as usize)?;
    let aim = &arguments.aim;
    let processes = Processes::named_in(&aim.pids);
    let victim = if arguments.cut { None } else { Some(victim(&processes, &arguments.kill, &aim.pids)?) };
    let books = Rc::new(Books::new(rooms, arguments.members, aim));
    if arguments.channels {
        let run: u32 = rand::random();
        books.name_rooms((0..rooms).map(|room| format!("storm-{run:08x}-{room}")).collect());
    }

    let begin = Instant::now();
    let scratch = Scratch::new();
    let tasks: Vec<_> = stream::iter(0..sockets)
        .map(|socket| member::arrive(socket, books.clone(), scratch.clone(), arguments.channels))
        .buffered(CONNECTING)
        .try_collect()
        .await?;
    let connected = Instant::now();
    eprintln!(
        "{sockets} clients in {rooms} rooms connected in {:.1} s: {}",
        begin.elapsed().as_secs_f64(),
        books.spread_over_gateways()
    );
    if !arguments.channels {
        books.welcomed().await;
        books.name_rooms(groups::make(&aim.target, &books.identities, rooms, arguments.members).await?);
    }
    books.quiet().await;
    if !arguments.channels {
        eprintln!("{} of {sockets} have heard that their room was made", books.heard_by_server());
    }
    let (handshakes, struck) = (connected - begin, books.on(&arguments.kill));
    ensure!(struck > 0, "nobody is connected to {}", arguments.kill);

    let flowing = Rc::new(Cell::new(true));
    let contents = Contents::new(arguments.size.into());
    let flow = tokio::task::spawn_local(flow(books.clone(), contents, arguments.rate, flowing.clone()));
    tokio::time::sleep(arguments.before.0).await;

    eprintln!("{} {} with {struck} clients", if arguments.cut { "cutting off" } else { "killing" }, arguments.kill);
    let others = processes.all_but(&arguments.kill);
    let spent = others.spent();
    let killed = Instant::now();
    books.strike(&arguments.kill, killed);
    match &victim {
        Some(victim) => kill(victim)?,
        None => books.cut.notify_waiters(),
    }
    while !books.all_caught_up() && killed.elapsed() < arguments.patience.0 {
        tokio::time::sleep(LOOK).await;
    }
    let costs = others.costs(&spent, killed.elapsed());
    tokio::time::sleep(arguments.after.0).await;
    flowing.set(false);
    flow.await.context("the senders")??;
    let settling = Instant::now();
    while !books.is_settled() && settling.elapsed() < arguments.patience.0.min(Duration::from_secs(20)) {
        tokio::time::sleep(LOOK).await;
    }
    for task in tasks {
        task.abort();
    }
    Ok(books.report(arguments, handshakes, costs))
}

/// The process to kill: a gateway of a cluster on this machine, by its name in the pids file, and no other.
fn victim(processes: &Processes, name: &str, pids: &Path) -> Result<Process> {
    ensure!(name.starts_with("gateway"), "only gateways are killed, and {name} does not sound like one");
    let victim = processes.all().iter().find(|process| process.name == name);
    let advice = || {
        format!("{} names no {name}\n  next: make cluster PROFILE=load   (or --cut, to kill nothing)", pids.display())
    };
    victim.cloned().with_context(advice)
}

fn kill(process: &Process) -> Result<()> {
    let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw).context("no process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        .with_context(|| format!("{} cannot be killed", process.name))
}

/// Messages at a constant rate, from random members that are connected.
async fn flow(books: Rc<Books>, contents: Contents, rate: u32, flowing: Rc<Cell<bool>>) -> Result<()> {
    let timer = Timer::new().context("a timer")?;
    let period = Duration::from_secs(1) / rate;
    let mut due = Instant::now();
    while flowing.get() {
        timer.until(due).await?;
        due += period;
        let sockets = books.sockets();
        let connected = (0..TRIES).map(|_| rand::random_range(0..sockets)).find_map(|s| Some((s, books.sender(s)?)));
        let Some((socket, sender)) = connected else { continue };
        let packet = books.message(socket, contents.any());
        let mut frames = Frames::new();
        frames.push(packet.as_bytes());
        // Broken just now: it is sent again when the member is back.
        let _ = sender.send_all(&frames);
    }
    Ok(())
}

impl Arguments {
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }
}
