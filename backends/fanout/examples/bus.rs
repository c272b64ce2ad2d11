//! How fast the fan-out is on a real Redis: `PARLOR_TEST_REDIS=redis://… cargo run --release --example bus`.
//!
//! Prints the time from `apply` of one record to its arrival at another client, and records a second in batches of 64.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor_core::event::{Actor, Event, Kind, Message, MessageType};
use parlor_core::ids::{EventId, Generation, Offset, RoomId, Seq, UserId};
use parlor_core::ports::fanout::{Fanout, Signal};
use parlor_core::ports::log::{Position, Record};
use parlor_core::time::Timestamp;
use parlor_fanout::redis::{Config, Redis};

const SINGLE: i64 = 5_000;
const BATCHES: i64 = 300;

fn record(room: &RoomId, offset: i64) -> Record {
    let message = Message::new(MessageType::Text, "a message of an ordinary length, as people send them");
    let actor = Actor { id: UserId::trusted("user-1"), name: "User 1".into(), avatar: None };
    let event = Event { id: EventId::now(), room: room.clone(), actor, kind: Kind::MessageSent(message) };
    Record {
        partition: parlor_core::partition::of(room, 4),
        seq: Seq::new(Generation(1), Offset(offset)),
        time: Timestamp::now(),
        encoded: parlor_proto::encode(&event),
        event: Ok(Arc::new(event)),
        trace: None,
    }
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let place = (f64::from(u32::try_from(last).unwrap_or(u32::MAX)) * share) as usize;
    sorted.get(place).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("PARLOR_TEST_REDIS").map_err(|_| "PARLOR_TEST_REDIS names the Redis to measure")?;
    let config = Config::for_testing(&url);
    let (worker, gateway) = (Redis::connect(config.clone()).await?, Redis::connect(config).await?);
    let room = RoomId::trusted("general");
    let partition = parlor_core::partition::of(&room, 4);
    let mut heard = gateway.listen();
    gateway.subscribe(&room).await?;
    let mut position = worker.claim(partition, Position::START).await?;

    let (mut arrivals, mut answers) = (Vec::new(), Vec::new());
    for offset in 0..SINGLE {
        let record = record(&room, offset);
        let began = Instant::now();
        let apply = async {
            let applied = worker.apply(partition, position, std::slice::from_ref(&record)).await;
            (applied, began.elapsed())
        };
        let arrive = async {
            while !matches!(heard.recv().await, Some(Signal::Delivery(one)) if one.seq == record.seq) {}
            began.elapsed()
        };
        let ((applied, answered), arrived) = tokio::join!(apply, arrive);
        applied?;
        position = record.position();
        arrivals.push(arrived);
        answers.push(answered);
        // Paced, so that it is latency that is measured.
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    for (what, times) in [("apply → delivery at another client", &mut arrivals), ("apply → answer", &mut answers)] {
        times.sort_unstable();
        println!("{what}: p50 {:?}, p99 {:?}", quantile(times, 0.5), quantile(times, 0.99));
    }

    for rooms in [1_i64, 64] {
        let rooms: Vec<_> = (0..)
            .map(|n| RoomId::trusted(format!("room-{n}")))
            .filter(|room| parlor_core::partition::of(room, 4) == partition)
            .take(usize::try_from(rooms)?)
            .collect();
        let next = position.offset.0 + 1;
        let batches: Vec<Vec<_>> = (0..BATCHES)
            .map(|batch| {
                let offsets = next + batch * 64..next + (batch + 1) * 64;
                offsets.zip(rooms.iter().cycle()).map(|(offset, room)| record(room, offset)).collect()
            })
            .collect();
        let began = Instant::now();
        for batch in &batches {
            worker.apply(partition, position, batch).await?;
            position = batch.last().map_or(position, Record::position);
        }
        let rate = f64::from(u32::try_from(BATCHES * 64)?) / began.elapsed().as_secs_f64();
        println!("batches of 64 over {} rooms: {rate:.0} records/s", rooms.len());
    }
    Ok(())
}
