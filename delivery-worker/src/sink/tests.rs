//! Where delivery begins when the fan-out has forgotten, and how records are cut into scripts.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use parlor_core::event::Ephemeral;
use parlor_core::ids::{Generation, RoomId, Seq};
use parlor_core::ports::fanout::{Heads, Signal};
use parlor_core::ports::log::{AppendError, Consumer, Ends, Malformed, Pending, Range};
use tokio::sync::mpsc;

use super::*;

const P: Partition = Partition(0);

/// A log of which only the places are known.
struct Places {
    ends: Ends,
    minute_ago: i64,
    committed: Option<i64>,
}

#[async_trait]
impl Log for Places {
    fn partitions(&self) -> u32 {
        1
    }
    fn generation(&self) -> Generation {
        Generation(1)
    }
    fn append(&self, _: &parlor_core::event::Event) -> Result<Pending, AppendError> {
        unreachable!("a worker appends nothing")
    }
    async fn read_range(&self, _: Partition, _: Offset, _: Offset, _: usize) -> Result<Range, Unavailable> {
        unreachable!("the loop compares, not the sink")
    }
    async fn ends(&self, _: Partition) -> Result<Ends, Unavailable> {
        Ok(self.ends)
    }
    async fn offset_at(&self, _: Partition, time: Timestamp) -> Result<Offset, Unavailable> {
        let ago = Timestamp::now().0 - time.0;
        assert!((59_000..62_000).contains(&ago), "a minute of log time, not {ago} ms");
        Ok(Offset(self.minute_ago))
    }
    async fn set_aside(&self, _: &Record, _: &str) -> Result<(), Unavailable> {
        unreachable!("the loop sets aside, not the sink")
    }
    async fn consume(&self, _: &str, _: &str, _: Duration) -> Result<Box<dyn Consumer>, Unavailable> {
        unreachable!("the loop consumes, not the sink")
    }
    async fn committed(&self, group: &str) -> Result<Vec<Option<Offset>>, Unavailable> {
        assert_eq!(group, Config::default().group);
        Ok(vec![self.committed.map(Offset)])
    }
    async fn flush(&self, _: std::time::Duration) {}
    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// A fan-out that keeps its position and the sizes of its scripts, and is away after so many.
#[derive(Default)]
struct Scripts {
    position: Mutex<Option<Position>>,
    sizes: Mutex<Vec<usize>>,
    away_after: Option<usize>,
}

#[async_trait]
impl Fanout for Scripts {
    async fn position(&self, _: Partition) -> Result<Option<Position>, Unavailable> {
        Ok(*self.position.lock().unwrap())
    }
    async fn claim(&self, _: Partition, at: Position) -> Result<Position, Unavailable> {
        Ok(*self.position.lock().unwrap().get_or_insert(at))
    }
    async fn apply(&self, _: Partition, previous: Position, records: &[Record]) -> Result<Applied, Unavailable> {
        if self.away_after.is_some_and(|most| self.sizes.lock().unwrap().len() >= most) {
            return Err(Unavailable::new("redis", "told to be away"));
        }
        let mut position = self.position.lock().unwrap();
        if *position != Some(previous) {
            return Ok(Applied::Elsewhere(*position));
        }
        self.sizes.lock().unwrap().push(records.len());
        let last = records.last().unwrap().position();
        *position = Some(last);
        Ok(Applied::Done { position: last, duplicates: 1 })
    }
    async fn heads(&self, _: Partition, _: &[RoomId]) -> Result<Heads, Unavailable> {
        unreachable!("a gateway's")
    }
    async fn recent(
        &self,
        _: &RoomId,
        _: Seq,
        _: Seq,
        _: usize,
    ) -> Result<Vec<parlor_core::event::Delivery>, Unavailable> {
        unreachable!("a gateway's")
    }
    async fn cool(&self, _: &RoomId) -> Result<(), Unavailable> {
        unreachable!("a gateway's")
    }
    fn remembers(&self) -> usize {
        unreachable!("a gateway's")
    }
    async fn warm(
        &self,
        _: Partition,
        _: &RoomId,
        _: Offset,
        _: &[parlor_core::event::Delivery],
    ) -> Result<bool, Unavailable> {
        unreachable!("a gateway's")
    }
    async fn subscribe(&self, _: &RoomId) -> Result<(), Unavailable> {
        unreachable!("a gateway's")
    }
    async fn unsubscribe(&self, _: &RoomId) -> Result<(), Unavailable> {
        unreachable!("a gateway's")
    }
    fn listen(&self) -> mpsc::Receiver<Signal> {
        unreachable!("a gateway's")
    }
    async fn publish(&self, _: &RoomId, _: &Ephemeral) -> Result<(), Unavailable> {
        unreachable!("a gateway's")
    }
    async fn version(&self, _: &RoomId) -> Result<Option<u64>, Unavailable> {
        unreachable!("a gateway's")
    }

    async fn recall_version(&self, _: &RoomId, _: u64) -> Result<(), Unavailable> {
        unreachable!("a gateway's")
    }
    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// Where a worker begins after Redis was wiped; the log holds 100 to 999.
async fn claims(minute_ago: i64, committed: Option<i64>, applied: Option<i64>) -> i64 {
    let log = Places { ends: Ends { first: Offset(100), next: Offset(1000) }, minute_ago, committed };
    let sink = FanoutSink::new(Arc::new(Scripts::default()), Arc::new(log), &Config::default());
    let applied = applied.map(|offset| Position { offset: Offset(offset), digest: 7 });
    let claimed = sink.position(P, applied).await.unwrap();
    assert_eq!(claimed.digest, 0, "claimed, so there is nothing to compare");
    claimed.offset.0
}

#[tokio::test]
async fn a_wiped_fan_out_is_claimed_where_nothing_can_be_missed() {
    assert_eq!(claims(900, Some(990), Some(995)).await, 899, "a minute ago is the lowest");
    assert_eq!(claims(900, Some(400), Some(500)).await, 399, "the group was further behind than a minute");
    assert_eq!(claims(900, Some(990), Some(300)).await, 300, "this worker was");
    assert_eq!(claims(1000, None, None).await, 999, "a quiet minute and a new group: from the end");
    assert_eq!(claims(900, Some(3), None).await, 99, "nothing before the log's first record");
    assert_eq!(claims(5000, Some(5000), None).await, 999, "nothing beyond its end");
}

#[tokio::test]
async fn a_place_that_is_known_is_not_claimed() {
    let stands = Position { offset: Offset(7), digest: 9 };
    let fanout = Scripts { position: Mutex::new(Some(stands)), ..Scripts::default() };
    let log = Places { ends: Ends { first: Offset(0), next: Offset(10) }, minute_ago: 0, committed: None };
    let sink = FanoutSink::new(Arc::new(fanout), Arc::new(log), &Config::default());
    assert_eq!(sink.position(P, None).await.unwrap(), stands);
}

fn records(count: usize, bytes: usize) -> Vec<Record> {
    let record = |offset| Record {
        partition: P,
        seq: Seq::new(Generation(1), Offset(offset)),
        time: Timestamp::now(),
        encoded: Bytes::from(vec![u8::try_from(offset % 251).unwrap(); bytes]),
        event: Err(Malformed("not looked at".to_owned())),
        trace: None,
    };
    (0..i64::try_from(count).unwrap()).map(record).collect()
}

async fn applied(away_after: Option<usize>, records: &[Record]) -> (Result<Outcome, SinkError>, Vec<usize>) {
    let fanout = Arc::new(Scripts { position: Mutex::new(Some(Position::START)), away_after, ..Scripts::default() });
    let log = Places { ends: Ends { first: Offset(0), next: Offset(0) }, minute_ago: 0, committed: None };
    let sink = FanoutSink::new(Arc::clone(&fanout) as Arc<dyn Fanout>, Arc::new(log), &Config::default());
    let outcome = sink.apply(P, Position::START, records).await;
    let sizes = fanout.sizes.lock().unwrap().clone();
    (outcome, sizes)
}

#[tokio::test]
async fn no_script_takes_more_than_64_records_or_256_kib() {
    assert_eq!(applied(None, &records(150, 10)).await.1, [64, 64, 22]);
    assert_eq!(applied(None, &records(5, 100 * 1024)).await.1, [2, 2, 1]);
    assert_eq!(applied(None, &records(2, 300 * 1024)).await.1, [1, 1], "a larger record goes alone");
}

#[tokio::test]
async fn what_some_scripts_applied_is_said_even_if_the_next_one_failed() {
    let records = records(150, 10);
    let (outcome, _) = applied(Some(2), &records).await;
    let position = records[127].position();
    assert!(matches!(outcome, Ok(Outcome::Applied { position: at, duplicates: 2 }) if at == position));
    let (outcome, _) = applied(Some(0), &records).await;
    assert!(matches!(outcome, Err(SinkError::Unavailable(_))));
}
