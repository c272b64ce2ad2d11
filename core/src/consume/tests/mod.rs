//! The promises of the loop, held against a scripted log and sink.

mod double;
mod random;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::double::{Broker, Client, Effects, Fault};
use super::*;
use crate::ids::Offset;

const P0: Partition = Partition(0);
const P1: Partition = Partition(1);

/// One process of a role.
struct Process {
    stop: CancellationToken,
    health: Health,
    task: JoinHandle<Result<(), Fatal>>,
}

impl Process {
    async fn start(broker: &Arc<Broker>, sink: &Arc<Effects>, instance: &str) -> Self {
        Self::with(broker, sink, Config { batch_records: 16, ..Config::new("test", "g", instance) }).await
    }

    async fn with(broker: &Arc<Broker>, sink: &Arc<Effects>, config: Config) -> Self {
        let (stop, health, instance) = (CancellationToken::new(), Health::new(), config.instance.clone());
        let (log, sink) = (Arc::new(Client(Arc::clone(broker))), Arc::clone(sink));
        let task = tokio::spawn(run(log, sink, config, health.clone(), stop.clone()));
        broker.wait_for_member(&instance).await;
        Self { stop, health, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As `kill -9` does.
    fn crash(self) {
        self.task.abort();
    }

    async fn fatal(self) -> Fatal {
        timeout(Duration::from_secs(60), self.task).await.expect("it ends").unwrap().expect_err("it refuses")
    }
}

/// Waits until the sink has reached the log's end.
async fn caught_up(broker: &Broker, sink: &Effects, partition: Partition) {
    let end = broker.offsets(partition).last().copied().unwrap_or(Offset::NONE);
    let reached = async {
        while sink.at(partition, |place| place.position.is_none_or(|position| position.offset < end)) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(300), reached).await.expect("the sink reaches the log's end");
}

fn effects(sink: &Effects, partition: Partition) -> Vec<Offset> {
    sink.at(partition, |place| place.effects.clone())
}

#[tokio::test(start_paused = true)]
async fn a_member_that_has_lost_everything_joins_anew_and_goes_on() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    broker.revoke(P0, "a");
    broker.fill(P0, 10);
    while broker.closed().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_consumer_skips_is_never_passed_over() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 40);
    broker.start_too_far(2);
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0), "all of them, in order");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_record_is_applied_once_and_in_order_and_then_committed() {
    let (broker, sink) = (Broker::new(2), Effects::new());
    broker.fill(P0, 100);
    let process = Process::start(&broker, &sink, "a").await;
    assert!(!process.health.report().ready, "no partition is located yet");
    broker.assign(P0, "a", true);
    broker.assign(P1, "a", true);
    broker.add(P1, 5, true, "a");
    caught_up(&broker, &sink, P0).await;
    caught_up(&broker, &sink, P1).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    assert_eq!(effects(&sink, P1), [Offset(5)]);
    assert_eq!(broker.committed_of(P0), Some(Offset(100)));
    assert_eq!(process.health.report(), Report { ready: true, assigned: 2, why: None });
    process.stop().await;
    assert_eq!(broker.closed(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_in_the_last_moment_is_committed_on_shutdown() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 3);
    sink.at(P0, |place| place.faults.push_back(Fault::Slow));
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    sleep(Duration::from_secs(1)).await;
    process.stop().await;
    assert_eq!(effects(&sink, P0).len(), 3, "the batch in flight was let finish");
    assert_eq!(broker.committed_of(P0), Some(Offset(3)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_partition_holds_up_no_other() {
    let (broker, sink) = (Broker::new(2), Effects::new());
    broker.fill(P0, 1);
    sink.at(P0, |place| place.faults.push_back(Fault::Slow));
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    broker.assign(P1, "a", true);
    sleep(Duration::from_secs(1)).await;
    broker.fill(P1, 50);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(effects(&sink, P1).len(), 50);
    assert_eq!(effects(&sink, P0).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_ahead_of_a_slow_sink_is_bounded_and_nothing_of_it_is_lost() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 2000);
    sink.at(P0, |place| place.faults.extend([Fault::Slow; 3]));
    let config = Config { batch_records: 10, prefetch_records: 30, ..Config::new("test", "g", "a") };
    let _process = Process::with(&broker, &sink, config).await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_more_only_as_long_as_it_is_told_to() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    let config = Config { batch_records: 50, linger: Duration::from_millis(100), ..Config::new("test", "g", "a") };
    let _process = Process::with(&broker, &sink, config).await;
    broker.assign(P0, "a", true);
    sleep(Duration::from_millis(20)).await;
    for _ in 0..4 {
        broker.fill(P0, 2);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(effects(&sink, P0).len(), 0, "80 ms: still waiting");
    sleep(Duration::from_millis(30)).await;
    assert_eq!(sink.at(P0, |place| place.batches.clone()), [8]);
    broker.fill(P0, 60);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(sink.at(P0, |place| place.batches.clone()), [8, 50], "a full batch does not wait");
}

#[tokio::test(start_paused = true)]
async fn a_partition_stays_paused_until_the_sink_has_said_where_it_stands() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    sink.at(P0, |place| {
        place.position = Some(broker.position_of(P0, Offset(6)));
        place.position_away = 10;
    });
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    sleep(Duration::from_millis(500)).await;
    assert!(effects(&sink, P0).is_empty());
    assert!(process.health.report().why.unwrap().contains("told to be away"));
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), [Offset(7), Offset(8), Offset(9)], "what was applied before is not applied again");
    assert!(process.health.report().ready);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_that_wakes_after_its_partition_moved_changes_nothing() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 5);
    // The first batch of the zombie is held for 5 s on its way to the sink.
    sink.at(P0, |place| place.faults.push_back(Fault::Slow));
    let zombie = Process::start(&broker, &sink, "zombie").await;
    broker.assign(P0, "zombie", true);
    sleep(Duration::from_millis(100)).await;
    let owner = Process::start(&broker, &sink, "owner").await;
    broker.assign(P0, "owner", false);
    broker.fill(P0, 20);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0), "the new owner does not wait for the old one");
    sleep(Duration::from_secs(10)).await;
    broker.fill(P0, 20);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    sleep(Duration::from_secs(2)).await;
    broker.revoke(P0, "zombie");
    assert_eq!(broker.committed_of(P0), Some(Offset(45)));
    zombie.stop().await;
    owner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_forgot_is_asked_again_and_misses_nothing() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    broker.fill(P0, 20);
    caught_up(&broker, &sink, P0).await;
    sink.at(P0, |place| place.faults.push_back(Fault::Forget));
    broker.fill(P0, 20);
    caught_up(&broker, &sink, P0).await;
    let mut seen = effects(&sink, P0);
    assert!(seen.len() > 40, "what lies around the loss is replayed");
    seen.sort();
    seen.dedup();
    assert_eq!(seen, broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_lost_its_newest_part_gets_it_again() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    broker.fill(P0, 20);
    caught_up(&broker, &sink, P0).await;
    sink.at(P0, |place| place.faults.push_back(Fault::LoseTail));
    broker.fill(P0, 5);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_effect_and_the_commit_ends_in_a_silent_replay() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    let config = Config { commit_every: Duration::from_secs(3600), ..Config::new("test", "g", "a") };
    let process = Process::with(&broker, &sink, config).await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    process.crash();
    assert_eq!(broker.committed_of(P0), None);
    broker.fill(P0, 10);
    let _process = Process::start(&broker, &sink, "b").await;
    broker.assign(P0, "b", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_applied_again() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 40);
    sink.at(P0, |place| place.faults.extend([Fault::AwayAfter, Fault::Away, Fault::AwayAfter]));
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    sleep(Duration::from_secs(3)).await;
    assert!(process.health.report().ready);
}

#[tokio::test(start_paused = true)]
async fn poison_in_the_middle_of_a_batch_costs_no_other_record() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 16);
    sink.at(P0, |place| place.poison.extend([Offset(6), Offset(7), Offset(15)]));
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    let good: Vec<_> = broker.offsets(P0).into_iter().filter(|offset| ![6, 7, 15].contains(&offset.0)).collect();
    assert_eq!(effects(&sink, P0), good);
    assert_eq!(broker.set_aside_of(P0), [Offset(6), Offset(7), Offset(15)]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(broker.committed_of(P0), Some(Offset(16)), "the place of a record set aside is passed");
    assert!(process.health.report().ready);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_decoded_is_set_aside_before_its_place_is_passed() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    for number in 0..10 {
        broker.add(P0, 0, !matches!(number, 0 | 4 | 5 | 9), "a");
    }
    broker.fail(3, 0, 0);
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(broker.set_aside_of(P0), [Offset(0), Offset(4), Offset(5), Offset(9)]);
    assert_eq!(effects(&sink, P0), [1, 2, 3, 6, 7, 8].map(Offset));
}

#[tokio::test(start_paused = true)]
async fn a_locked_sink_never_costs_a_record() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 20);
    sink.at(P0, |place| place.faults.extend([Fault::Away; 60]));
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    sleep(Duration::from_secs(60)).await;
    assert!(!process.health.report().ready);
    caught_up(&broker, &sink, P0).await;
    assert!(broker.set_aside_of(P0).is_empty());
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_partition_revoked_in_the_middle_of_a_batch_is_left_alone() {
    let (broker, sink) = (Broker::new(2), Effects::new());
    broker.fill(P0, 100);
    let first = Process::start(&broker, &sink, "a").await;
    let second = Process::start(&broker, &sink, "b").await;
    sink.at(P0, |place| place.faults.extend([Fault::Slow]));
    broker.assign(P0, "a", true);
    sleep(Duration::from_millis(50)).await;
    broker.assign(P0, "b", true);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0), "the next owner goes on at once");
    let committed = broker.committed_of(P0);
    sleep(Duration::from_secs(10)).await;
    assert!(broker.committed_of(P0) >= committed, "no stale commit");
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    assert_eq!(first.health.report().assigned, 0);
    assert_eq!(second.health.report().assigned, 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_for_a_while_stops_nothing_for_good() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    broker.fail(0, 8, 0);
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    broker.fail(0, 0, 8);
    broker.fill(P0, 10);
    sleep(Duration::from_secs(2)).await;
    assert!(!process.health.report().ready);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_has_ended_for_good_is_replaced() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    broker.fail(0, 0, 12);
    broker.fill(P0, 10);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(broker.closed(), ["a"], "the old one was closed");
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
    assert!(process.health.report().ready);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_brings_nothing_although_the_log_has_more_is_started_again() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    broker.make_starts_dumb(1);
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    sleep(Duration::from_secs(20)).await;
    assert!(effects(&sink, P0).is_empty());
    sleep(Duration::from_secs(20)).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

async fn refusal(broker: &Arc<Broker>, sink: &Arc<Effects>) -> String {
    let process = Process::start(broker, sink, "a").await;
    broker.assign(P0, "a", true);
    let health = process.health.clone();
    let said = process.fatal().await.to_string();
    assert!(said.contains("the test refuses to run: partition 0"), "{said}");
    assert!(said.contains("Do as the double says"), "{said}");
    assert_eq!(health.report().why, Some(said.clone()));
    assert!(effects(sink, P0).is_empty());
    assert_eq!(broker.closed(), ["a"], "the group is left in order");
    said
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_made_anew_is_refused_even_if_it_is_as_long_as_the_old_one() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    sink.at(P0, |place| place.position = Some(broker.position_of(P0, Offset(4))));
    broker.recreate(P0, 10);
    let said = refusal(&broker, &sink).await;
    assert!(said.contains("the record at offset 4 is not the one that was applied"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_is_refused() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    sink.at(P0, |place| place.position = Some(broker.position_of(P0, Offset(9))));
    broker.recreate(P0, 3);
    let said = refusal(&broker, &sink).await;
    assert!(said.contains("the log's next record will be at offset 3"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_lost_what_was_not_applied_yet_is_refused() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    sink.at(P0, |place| place.position = Some(broker.position_of(P0, Offset(4))));
    broker.expire(P0, 6);
    let said = refusal(&broker, &sink).await;
    assert!(said.contains("the log begins at offset 6"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_log_of_which_only_applied_records_expired_is_carried_on() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    sink.at(P0, |place| place.position = Some(broker.position_of(P0, Offset(4))));
    broker.expire(P0, 5);
    let _process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    assert_eq!(effects(&sink, P0), broker.offsets(P0));
}

#[tokio::test(start_paused = true)]
async fn a_log_made_anew_while_it_is_being_read_is_noticed() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    broker.fill(P0, 10);
    let process = Process::start(&broker, &sink, "a").await;
    broker.assign(P0, "a", true);
    caught_up(&broker, &sink, P0).await;
    broker.recreate(P0, 2);
    let said = process.fatal().await.to_string();
    assert!(said.contains("truncated or made anew"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_member_without_partitions_is_a_ready_standby_after_a_while() {
    let (broker, sink) = (Broker::new(1), Effects::new());
    let process = Process::start(&broker, &sink, "a").await;
    assert!(!process.health.report().ready);
    sleep(Duration::from_secs(16)).await;
    let report = process.health.report();
    assert!(report.ready && report.assigned == 0);
}
