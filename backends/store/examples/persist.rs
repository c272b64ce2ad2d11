//! How many rows a second PostgreSQL takes from persisters: `persist URL [BATCH [WRITERS [SECONDS]]]`.
//!
//! It writes into the database that it is given, as persisters would: each writer has a partition of its own, and
//! batches of messages in rooms of ten, full text index included. Use a database that you can drop.

use std::time::{Duration, Instant};

use parlor_core::event::{Event, Kind, Message, MessageType};
use parlor_core::ids::{Generation, MessageId, Offset, Partition, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::{Store, Stored};
use parlor_core::time::Timestamp;
use parlor_store::postgres::{Config, Postgres, migrate};

const ROOMS: usize = 200;
const MEMBERS: usize = 10;
const WORDS: [&str; 32] = [
    "the", "deploy", "is", "green", "again", "who", "has", "a", "minute", "for", "review", "lunch", "at", "noon",
    "meeting", "moved", "to", "friday", "please", "check", "logs", "of", "gateway", "three", "thanks", "looks", "good",
    "ship", "it", "after", "tests", "pass",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("usage: persist URL [BATCH [WRITERS [SECONDS]]]")?;
    let batch: usize = args.next().map_or(Ok(500), |text| text.parse())?;
    let writers: u32 = args.next().map_or(Ok(1), |text| text.parse())?;
    let seconds: u64 = args.next().map_or(Ok(10), |text| text.parse())?;

    let config = Config { url, ..Config::default() };
    migrate(&config).await?;
    let store = Postgres::connect(config).await?;
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for partition in 0..writers {
        let store = store.clone();
        tasks.spawn(async move { write(&*store, Partition(partition), batch, Duration::from_secs(seconds)).await });
    }
    let mut rows = 0;
    let mut slowest = Duration::ZERO;
    for (written, slow) in tasks.join_all().await {
        rows += written;
        slowest = slowest.max(slow);
    }
    let took = started.elapsed();
    let rate = rows as f64 / took.as_secs_f64();
    println!(
        "{rows} rows in {took:.1?}: {rate:.0} rows/s; batches of {batch}, {writers} writers, slowest {slowest:.0?}"
    );
    Ok(())
}

/// Writes for that long; how many rows, and the slowest batch.
async fn write(store: &dyn Store, partition: Partition, batch: usize, long: Duration) -> (usize, Duration) {
    let mut at: Position = store.position(partition).await.expect("a position");
    let (mut rows, mut slowest, started) = (0, Duration::ZERO, Instant::now());
    while started.elapsed() < long {
        let records: Vec<Record> =
            (1..).take(batch).map(|next| record(partition, Offset(at.offset.0 + next))).collect();
        let began = Instant::now();
        match store.apply(partition, at, &records).await.expect("applied") {
            Stored::Done { position, messages, .. } => (at, rows) = (position, rows + messages),
            Stored::Elsewhere(position) => at = position,
        }
        slowest = slowest.max(began.elapsed());
    }
    (rows, slowest)
}

fn record(partition: Partition, offset: Offset) -> Record {
    let mut dice = usize::try_from(offset.0).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut roll = |sides: usize| {
        dice ^= dice >> 29;
        dice = dice.wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(1);
        (dice >> 33) % sides
    };
    let (room, member) = (roll(ROOMS), roll(MEMBERS));
    let words = 4 + roll(16);
    let mut content: Vec<String> = (0..words).map(|_| WORDS[roll(WORDS.len())].to_owned()).collect();
    // Most messages hold a word that few others do.
    content.push(format!("ticket{}", roll(50_000)));
    let event = Event {
        id: MessageId::now().into(),
        room: RoomId::trusted(format!("group_{partition}_{room:08}-0000-4000-8000-000000000000")),
        actor: nameless(&UserId::trusted(format!("user-{partition}-{room}-{member}"))),
        kind: Kind::MessageSent(Message {
            content: content.join(" "),
            kind: MessageType::Text,
            reply_to: None,
            metadata: None,
            mentions: Vec::new(),
            encrypted: false,
            temp_id: Some(format!("temp_{offset}")),
        }),
    };
    let seq = Seq::new(Generation(1), offset);
    let encoded = parlor_proto::encode(&event);
    Record { partition, seq, time: Timestamp::now(), encoded, event: Ok(event.into()), trace: None }
}
