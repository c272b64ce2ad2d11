//! What the members of a group promise each other, and groups among themselves: commits, shares, inheritance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Harness, append, contents, fill, message, own_all, room_of, soon, take, texts};
use crate::ids::{Offset, Partition};
use crate::ports::log::{Consumer, Log, Polled};

/// Commits arrive in the background: waits until the log answers this for partition 0.
async fn await_commit(log: &Arc<dyn Log>, group: &str, next: Offset) {
    soon("a commit", async {
        while log.committed(group).await.expect("committed")[0] != Some(next) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// What a member committed, the next one finds.
pub async fn committed_offsets_survive_their_member(mut harness: Box<impl Harness>) {
    let log = harness.log();
    let at = fill(&log, texts(10)).await;
    assert!(log.committed("g").await.expect("committed").iter().all(Option::is_none), "never committed");
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    consumer.start(Partition(0), at[0]).expect("started");
    take(&mut consumer, Partition(0), 10).await;
    consumer.commit(Partition(0), at[6]).expect("committed");
    await_commit(&log, "g", at[6]).await;
    consumer.commit(Partition(0), at[7]).expect("committed");
    consumer.close().await;
    await_commit(&log, "g", at[7]).await;
    assert!(log.committed("another").await.expect("committed").iter().all(Option::is_none));
    drop(log);
    let log = harness.reopen().await;
    await_commit(&log, "g", at[7]).await;
    let mut consumer = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut consumer).await;
    let from = log.committed("g").await.expect("committed")[0].expect("committed");
    consumer.start(Partition(0), from).expect("started");
    assert_eq!(contents(&take(&mut consumer, Partition(0), 3).await), ["7", "8", "9"]);
    consumer.close().await;
    drop(log);
    harness.destroy().await;
}

/// Two members own each partition once between them; what one leaves, the other gets, and a commit by who owns it no
/// more changes nothing.
pub async fn two_members_share_the_partitions_and_inherit_from_each_other(harness: Box<impl Harness>) {
    let log = harness.log();
    let all: BTreeSet<_> = (0..log.partitions()).map(Partition).collect();
    fill(&log, texts(10)).await;
    let mut a = log.consume("g", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut a).await;
    a.start(Partition(0), Offset(0)).expect("started");
    take(&mut a, Partition(0), 10).await;
    let mut b = log.consume("g", "b", Duration::ZERO).await.expect("joined");
    let (mut of_a, mut of_b) = (all.clone(), BTreeSet::new());
    soon("a share for each", async {
        while of_b.is_empty() || of_a.len() + of_b.len() < all.len() {
            tokio::select! {
                polled = a.next() => moved(&mut of_a, polled.expect("polled")),
                polled = b.next() => moved(&mut of_b, polled.expect("polled")),
            }
        }
    })
    .await;
    assert!(of_a.is_disjoint(&of_b), "{of_a:?} and {of_b:?}");
    assert!(!of_a.is_empty() && !of_b.is_empty());

    // Who has lost a partition commits nothing there; who has it does.
    let (owner, other) = if of_a.contains(&Partition(0)) { (&mut a, &mut b) } else { (&mut b, &mut a) };
    other.commit(Partition(0), Offset(2)).expect("ignored");
    owner.commit(Partition(0), Offset(8)).expect("committed");
    await_commit(&log, "g", Offset(8)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    await_commit(&log, "g", Offset(8)).await;

    b.close().await;
    soon("the share of the member that left", async {
        while of_a != all {
            moved(&mut of_a, a.next().await.expect("polled"));
        }
    })
    .await;
    a.start(Partition(0), Offset(8)).expect("started");
    assert_eq!(contents(&take(&mut a, Partition(0), 2).await), ["8", "9"]);
    a.close().await;
    harness.destroy().await;
}

fn moved(owned: &mut BTreeSet<Partition>, polled: Polled) {
    match polled {
        Polled::Assigned(partitions) => owned.extend(partitions),
        Polled::Revoked(partitions) => owned.retain(|partition| !partitions.contains(partition)),
        Polled::Records(partition, _) => assert!(owned.contains(&partition), "records of a partition of someone else"),
    }
}

/// Two owners that keep their positions in one place, one of them coming and going while events are appended: between
/// them each record is applied once, in order, and no start is ever answered with a later record than it asked for.
pub async fn members_that_come_and_go_in_mid_stream_pass_over_nothing(harness: Box<impl Harness>) {
    let log = harness.log();
    let partitions = usize::try_from(log.partitions()).expect("small");
    let applied = Arc::new(Applied(std::sync::Mutex::new(vec![Offset::NONE; partitions])));
    let (enough, mut had_enough) = tokio::sync::oneshot::channel::<()>();
    let appending = {
        let log = log.clone();
        tokio::spawn(async move {
            let rooms: Vec<_> = (0..log.partitions()).map(|partition| room_of(&log, Partition(partition))).collect();
            let mut last = Offset::NONE;
            while had_enough.try_recv().is_err() {
                for room in &rooms {
                    append(&log, &message(room, last.next().to_string())).await;
                }
                last = last.next();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            last
        })
    };
    let (stop_a, stopped_a) = tokio::sync::oneshot::channel();
    let a = tokio::spawn(applied.clone().work(
        log.consume("g", "a", Duration::ZERO).await.expect("joined"),
        usize::MAX,
        stopped_a,
    ));
    // Twice at once, so that it also comes back before its place was given away.
    for _ in 0..2 {
        let (_runs_on, never) = tokio::sync::oneshot::channel();
        let b = applied.clone().work(log.consume("g", "b", Duration::ZERO).await.expect("joined"), 100, never);
        soon("b to get its share and apply it", b).await;
    }
    // a inherits what b had: everything up to a place beyond where b left it is applied.
    let mut goals = Vec::new();
    for partition in 0..log.partitions() {
        goals.push(Offset(log.ends(Partition(partition)).await.expect("ends").next.0 + 20));
    }
    soon("a to inherit", applied.reach(&goals)).await;
    let _ = enough.send(());
    let last = appending.await.expect("appended");
    soon("everything to be applied", applied.reach(&vec![last; partitions])).await;
    let _ = stop_a.send(());
    a.await.expect("a works");
    harness.destroy().await;
}

/// The last offset of each partition that a sink has applied.
struct Applied(std::sync::Mutex<Vec<Offset>>);

impl Applied {
    fn position(&self, partition: Partition) -> Offset {
        self.0.lock().expect("unpoisoned")[usize::try_from(partition.0).expect("small")]
    }

    async fn reach(&self, goals: &[Offset]) {
        while self.0.lock().expect("unpoisoned").iter().zip(goals).any(|(applied, goal)| applied < goal) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Applies what comes until it has applied so many records, or is stopped; then leaves.
    async fn work(
        self: Arc<Self>,
        mut consumer: Box<dyn Consumer>,
        until: usize,
        mut stopped: tokio::sync::oneshot::Receiver<()>,
    ) {
        let mut done = 0;
        while done < until {
            let polled = tokio::select! {
                polled = consumer.next() => polled.expect("polled"),
                _ = &mut stopped => break,
            };
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        consumer.start(partition, self.position(partition).next()).expect("started");
                    }
                }
                Polled::Revoked(_) => {}
                Polled::Records(partition, records) => {
                    let (first, last) = (records[0].offset(), records[records.len() - 1].offset());
                    assert_eq!(last.0 - first.0 + 1, i64::try_from(records.len()).expect("small"), "none left out");
                    let next = {
                        let mut applied = self.0.lock().expect("unpoisoned");
                        let position = &mut applied[usize::try_from(partition.0).expect("small")];
                        let next = position.next();
                        assert!(first <= next, "passed over {next} to {first} of partition {partition}");
                        if first == next {
                            *position = last;
                            done += records.len();
                        }
                        position.next()
                    };
                    if next == last.next() {
                        consumer.commit(partition, next).expect("committed");
                    } else {
                        // Another owner was here meanwhile: its work is not repeated.
                        consumer.start(partition, next).expect("started");
                    }
                }
            }
        }
        consumer.close().await;
    }
}

/// Each group reads everything, at its own pace.
pub async fn groups_do_not_disturb_each_other(harness: Box<impl Harness>) {
    let log = harness.log();
    fill(&log, texts(10)).await;
    let mut one = log.consume("one", "a", Duration::ZERO).await.expect("joined");
    let mut two = log.consume("two", "a", Duration::ZERO).await.expect("joined");
    own_all(&log, &mut one).await;
    own_all(&log, &mut two).await;
    one.start(Partition(0), Offset(0)).expect("started");
    two.start(Partition(0), Offset(5)).expect("started");
    take(&mut one, Partition(0), 10).await;
    take(&mut two, Partition(0), 5).await;
    one.commit(Partition(0), Offset(10)).expect("committed");
    await_commit(&log, "one", Offset(10)).await;
    assert_eq!(log.committed("two").await.expect("committed")[0], None);
    one.close().await;
    two.close().await;
    harness.destroy().await;
}
