//! What is published and cached: records as the log has them, behind a line of text that a script can put together.
//!
//! A delivery is `<prev or -> <seq> <time>\n<record>`. On a channel one letter comes first: `D` a delivery, `E` what
//! `proto` encodes as ephemeral. Other letters are left to newer versions and ignored.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parlor_core::event::{Delivery, Ephemeral};
use parlor_core::ids::{RoomId, Seq};
use parlor_core::ports::fanout::Signal;
use parlor_core::ports::log::Record;
use parlor_core::time::Timestamp;

/// A delivery but for its `prev`, which the script puts in front.
pub(super) fn of_record(record: &Record) -> Bytes {
    let line = format!("{} {}\n", record.seq, record.time.0);
    let mut frame = BytesMut::with_capacity(line.len() + record.encoded.len());
    frame.extend_from_slice(line.as_bytes());
    frame.extend_from_slice(&record.encoded);
    frame.freeze()
}

/// A delivery as it is cached.
pub(super) fn of_delivery(delivery: &Delivery) -> Bytes {
    let prev = delivery.prev.map_or_else(|| "-".to_owned(), |prev| prev.to_string());
    let line = format!("{prev} {} {}\n", delivery.seq, delivery.time.0);
    let encoded = parlor_proto::encode(&delivery.event);
    let mut frame = BytesMut::with_capacity(line.len() + encoded.len());
    frame.extend_from_slice(line.as_bytes());
    frame.extend_from_slice(&encoded);
    frame.freeze()
}

/// Ephemeral news as published.
pub(super) fn of_ephemeral(news: &Ephemeral) -> Bytes {
    let encoded = parlor_proto::encode_ephemeral(news);
    let mut frame = BytesMut::with_capacity(1 + encoded.len());
    frame.extend_from_slice(b"E");
    frame.extend_from_slice(&encoded);
    frame.freeze()
}

/// A delivery. `None`: not one; the gap that this leaves in the prev chain is found and repaired like any other.
pub(super) fn delivery(frame: &[u8]) -> Option<Delivery> {
    let end = frame.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&frame[..end]).ok()?;
    let mut words = line.split(' ');
    let prev = match words.next()? {
        "-" => None,
        seq => Some(Seq::parse(seq)?),
    };
    let seq = Seq::parse(words.next()?)?;
    let time = Timestamp(words.next()?.parse().ok()?);
    let event = Arc::new(parlor_proto::decode(&frame[end + 1..]).ok()?);
    words.next().is_none().then_some(Delivery { prev, seq, time, event })
}

/// What a channel brought.
pub(super) fn signal(room: impl FnOnce() -> Option<RoomId>, published: &[u8]) -> Option<Signal> {
    match published.split_first()? {
        (b'D', frame) => delivery(frame).map(Signal::Delivery),
        (b'E', news) => Some(Signal::Ephemeral(room()?, parlor_proto::decode_ephemeral(news).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_none_is_ignored() {
        for frame in [&b""[..], b"D", b"Dx", b"D- 1 2", b"D- 1 2 3\n", b"D- x 2\n", b"Z1", b"E\xff"] {
            assert!(signal(|| Some(RoomId::trusted("r")), frame).is_none(), "{frame:?}");
        }
    }
}
