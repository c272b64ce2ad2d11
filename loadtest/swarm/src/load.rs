//! Sends at a constant rate, whatever comes back: a slow server is seen in the latencies, which count from the moment
//! a message was due, and never lowers the rate (no coordinated omission).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::{Ended, Frames};
use crate::content::Contents;
use crate::crowd::Crowd;
use crate::temp_id::Version;
use crate::timer::Timer;

/// Messages sent before sockets are read again.
const BURST: usize = 32;
/// More messages than this are not kept account of.
const MAX_MESSAGES: u64 = 20_000_000;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages per second.
    pub(crate) rate: u32,
    /// Before what is measured.
    pub(crate) warmup: Duration,
    /// What is measured.
    pub(crate) duration: Duration,
    pub(crate) version: Version,
    /// With more messages than this unanswered the rest is not sent.
    pub(crate) give_up: u64,
}

/// When the measured part of a run begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

/// Sends by `plan`: rooms and senders at random. The books are open afterwards, for what is still under way. False:
/// it was given up.
///
/// # Errors
/// A socket that should have sent has ended.
pub(crate) async fn send(
    crowd: &Crowd,
    contents: &Contents,
    plan: Plan,
    timer: &Timer,
    window: impl FnOnce(Window),
) -> Result<bool> {
    ensure!(plan.rate > 0, "the rate is at least 1 message per second");
    let total = u64::from(plan.rate) * u64::try_from((plan.warmup + plan.duration).as_millis())? / 1000;
    ensure!(total > 0, "that long, at that rate, is not a single message");
    ensure!(total <= MAX_MESSAGES, "{total} messages are too many: {MAX_MESSAGES} at most");
    let sockets = u32::try_from(crowd.sockets())?;
    let period = 1.0 / f64::from(plan.rate);
    let begin = Instant::now() + Duration::from_millis(20);
    let due = |number: u64| begin + Duration::from_secs_f64(number as f64 * period);
    let measured = Window { begin: begin + plan.warmup, end: begin + plan.warmup + plan.duration };
    crowd.begin(plan.version, measured.begin..measured.end);
    window(measured);
    let mut number = 0;
    while number < total {
        timer.until(due(number)).await?;
        let mut burst = 0;
        let now = Instant::now();
        while number < total && due(number) <= now && burst < BURST {
            let sender = rand::random_range(0..sockets);
            if let Err(why) = message(crowd, contents, sender, due(number)) {
                anyhow::bail!("a socket that should send has ended: {why}");
            }
            number += 1;
            burst += 1;
        }
        if crowd.with(|tally| tally.checker.waiting()) > plan.give_up {
            return Ok(false);
        }
        if number < total && due(number) <= Instant::now() {
            // Late: the sockets must be read all the same.
            tokio::task::yield_now().await;
        }
    }
    Ok(true)
}

/// Sends one message of `sender`.
fn message(crowd: &Crowd, contents: &Contents, sender: u32, due: Instant) -> Result<(), Ended> {
    let mut frames = Frames::new();
    write(crowd, contents, sender, due, &mut frames);
    crowd.sender(sender).send_all(&frames)
}

/// Writes one message of `sender`, and books it.
pub(crate) fn write(crowd: &Crowd, contents: &Contents, sender: u32, due: Instant, frames: &mut Frames) {
    let room = &crowd.rooms[(sender / crowd.members) as usize];
    let (number, id) = crowd.with(|tally| {
        let number = tally.sending(sender, due, Instant::now());
        (number, tally.ids.of(number))
    });
    // Contents and room names are plain letters: nothing to escape.
    let packet = format!(
        r#"42{number}["message.send",{{"roomId":"{room}","content":"{}","type":"text","tempId":"{id}"}}]"#,
        contents.any()
    );
    frames.push(packet.as_bytes());
}
