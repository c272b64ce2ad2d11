//! Whatever happens in whatever order, each record has its effect once, in order, or is set aside.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Happening {
    /// Records come: how many, after what gap, which of them are poison (1) or undecodable (2).
    Come {
        partition: Partition,
        gap: i64,
        kinds: Vec<u8>,
    },
    Goes {
        partition: Partition,
        wrong: Fault,
    },
    PositionAway {
        partition: Partition,
        times: u32,
    },
    LogAway {
        set_asides: u32,
        ends: u32,
        polls: u32,
    },
    /// The partition moves to another process; the old owner may learn of it late.
    Moves {
        partition: Partition,
        to: usize,
        tell: bool,
    },
    Crashes {
        process: usize,
    },
    Passes {
        millis: u64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let partition = || (0..2_u32).prop_map(Partition);
    let fault = prop_oneof![Just(Fault::Away), Just(Fault::AwayAfter), Just(Fault::LoseTail), Just(Fault::Slow)];
    let kind = prop_oneof![12 => Just(0_u8), 1 => Just(1), 1 => Just(2)];
    prop_oneof![
        5 => (partition(), 0..3_i64, prop::collection::vec(kind, 1..40))
            .prop_map(|(partition, gap, kinds)| Happening::Come { partition, gap, kinds }),
        3 => (partition(), fault).prop_map(|(partition, wrong)| Happening::Goes { partition, wrong }),
        1 => (partition(), 1..5_u32).prop_map(|(partition, times)| Happening::PositionAway { partition, times }),
        1 => (0..3_u32, 0..3_u32, 0..8_u32)
            .prop_map(|(set_asides, ends, polls)| Happening::LogAway { set_asides, ends, polls }),
        2 => (partition(), 0..3_usize, any::<bool>())
            .prop_map(|(partition, to, tell)| Happening::Moves { partition, to, tell }),
        1 => (0..3_usize).prop_map(|process| Happening::Crashes { process }),
        5 => prop_oneof![0..20_u64, 0..6000_u64].prop_map(|millis| Happening::Passes { millis }),
    ]
}

/// `processes[n]` runs under the name `n`, followed by how often it was started.
struct World {
    broker: Arc<Broker>,
    sink: Arc<Effects>,
    processes: Vec<(String, Process)>,
    owners: [usize; 2],
    starts: usize,
    bad: [BTreeSet<Offset>; 2],
}

impl World {
    async fn new() -> Self {
        let (broker, sink) = (Broker::new(2), Effects::new());
        let mut world = Self {
            broker,
            sink,
            processes: Vec::new(),
            owners: [0, 1],
            starts: 0,
            bad: <[BTreeSet<Offset>; 2]>::default(),
        };
        for _ in 0..3 {
            let process = world.process().await;
            world.processes.push(process);
        }
        world.give(P0, 0, true);
        world.give(P1, 1, true);
        world
    }

    async fn process(&mut self) -> (String, Process) {
        self.starts += 1;
        let name = format!("process-{}", self.starts);
        let config = Config { batch_records: 8, prefetch_records: 40, ..Config::new("test", "g", name.as_str()) };
        (name, Process::with(&self.broker, &self.sink, config).await)
    }

    fn give(&mut self, partition: Partition, to: usize, tell: bool) {
        self.owners[usize::try_from(partition.0).unwrap()] = to;
        self.broker.assign(partition, &self.processes[to].0, tell);
    }

    async fn live(&mut self, happening: Happening) {
        match happening {
            Happening::Come { partition, gap, kinds } => {
                for (number, kind) in kinds.into_iter().enumerate() {
                    let offset = self.broker.add(partition, if number == 0 { gap } else { 0 }, kind != 2, "a");
                    if kind == 1 {
                        self.sink.at(partition, |place| place.poison.insert(offset));
                    }
                    if kind != 0 {
                        self.bad[usize::try_from(partition.0).unwrap()].insert(offset);
                    }
                }
            }
            Happening::Goes { partition, wrong } => self.sink.at(partition, |place| place.faults.push_back(wrong)),
            Happening::PositionAway { partition, times } => {
                self.sink.at(partition, |place| place.position_away = times)
            }
            Happening::LogAway { set_asides, ends, polls } => self.broker.fail(set_asides, ends, polls),
            Happening::Moves { partition, to, tell } => self.give(partition, to, tell),
            Happening::Crashes { process } => {
                let new = self.process().await;
                let (_, old) = std::mem::replace(&mut self.processes[process], new);
                old.crash();
                for partition in [P0, P1] {
                    if self.owners[usize::try_from(partition.0).unwrap()] == process {
                        self.give(partition, process, true);
                    }
                }
            }
            Happening::Passes { millis } => sleep(Duration::from_millis(millis)).await,
        }
    }

    async fn check(self) {
        for partition in [P0, P1] {
            caught_up(&self.broker, &self.sink, partition).await;
        }
        sleep(Duration::from_secs(10)).await;
        for partition in [P0, P1] {
            let bad = &self.bad[usize::try_from(partition.0).unwrap()];
            let offsets = self.broker.offsets(partition);
            let good: Vec<_> = offsets.iter().copied().filter(|offset| !bad.contains(offset)).collect();
            assert_eq!(effects(&self.sink, partition), good, "each record once and in order");
            let aside: BTreeSet<_> = self.broker.set_aside_of(partition).into_iter().collect();
            assert_eq!(&aside, bad, "what cannot be applied is set aside, and nothing else");
            let end = offsets.last().map_or(Offset(0), |last| last.next());
            assert!(self.broker.committed_of(partition).is_none_or(|next| next <= end));
        }
        for (_, process) in self.processes {
            process.stop().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_record_has_its_effect_once_and_in_order(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for happening in happenings {
                world.live(happening).await;
            }
            world.check().await;
        });
    }
}
