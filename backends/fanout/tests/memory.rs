//! The contracts on the memory, and the faults it can be told.

mod applied;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parlor_core::event::{Actor, Ephemeral, Event, Kind, Member, Role};
use parlor_core::ids::{EventId, MessageId, Partition, RoomId, Seq, UserId};
use parlor_core::membership::nameless;
use parlor_core::ports::fanout::{Fanout, Signal};
use parlor_core::ports::limits::Limits;
use parlor_core::ports::presence::Presence;
use parlor_core::ports::receipts::Receipts;
use parlor_core::ports::sessions::Sessions;
use parlor_core::ports::topics::Topics;
use parlor_core::ports::{
    fanout_contract, limits_contract, presence_contract, receipts_contract, sessions_contract, topics_contract,
};
use parlor_core::time::Timestamp;
use parlor_fanout::memory::{Memory, MemoryConfig};

struct Subject(Arc<Memory>);

async fn subject() -> Subject {
    let lease_ms = u32::try_from(presence_contract::LEASE.as_millis()).expect("short");
    Subject(Memory::new(MemoryConfig { lease_ms, ..MemoryConfig::for_testing() }))
}

#[async_trait]
impl fanout_contract::Subject for Subject {
    const PARTITIONS: u32 = 4;

    fn client(&self) -> Arc<dyn Fanout> {
        self.0.clone()
    }

    async fn another(&self) -> Arc<dyn Fanout> {
        self.0.another()
    }

    async fn forget(&self) {
        self.0.forget();
    }

    async fn forget_position(&self, partition: Partition) {
        self.0.forget_position(partition);
    }

    async fn cut(&self) {
        self.0.cut();
    }

    fn encode(&self, event: &Event) -> Bytes {
        parlor_proto::encode(event)
    }
}

#[async_trait]
impl limits_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Limits> {
        self.0.clone()
    }

    async fn another(&self) -> Arc<dyn Limits> {
        self.0.another()
    }

    async fn raise_version(&self, room: &RoomId, version: u64) {
        let member = Member { user: nameless(&UserId::trusted("ann")), role: Role::Member, joined_at: Timestamp(1) };
        applied::apply(&*self.0, 4, room, EventId::now(), Kind::MemberJoined { member, members: Some(1), version })
            .await;
    }

    async fn deliver(&self, room: &RoomId, id: EventId) -> Seq {
        applied::apply(&*self.0, 4, room, id, Kind::MessageDeleted { message: MessageId::now() }).await
    }
}

impl topics_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Topics> {
        self.0.clone()
    }

    fn fanout(&self) -> Arc<dyn Fanout> {
        self.0.clone()
    }

    fn encode(&self, event: &Event) -> Bytes {
        parlor_proto::encode(event)
    }
}

impl presence_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Presence> {
        self.0.clone()
    }
}

impl receipts_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Receipts> {
        self.0.clone()
    }
}

impl sessions_contract::Subject for Subject {
    fn client(&self) -> Arc<dyn Sessions> {
        self.0.clone()
    }
}

mod fanout {
    use super::subject;
    parlor_core::fanout_contract!(subject());
}

mod limits {
    use super::subject;
    parlor_core::limits_contract!(subject());
}

mod presence {
    use super::subject;
    parlor_core::presence_contract!(subject());
}

mod receipts {
    use super::subject;
    parlor_core::receipts_contract!(subject());
}

mod sessions {
    use super::subject;
    parlor_core::sessions_contract!(subject());
}

mod topics {
    use super::subject;
    parlor_core::topics_contract!(subject());
}

fn typing(n: usize) -> Ephemeral {
    let user = Actor { id: UserId::trusted(format!("user-{n}")), name: "u".into(), avatar: None };
    Ephemeral::Typing { user, active: true }
}

#[tokio::test]
async fn told_to_drop_signals_it_drops_that_many_and_that_fraction() {
    let memory = Memory::new(MemoryConfig::for_testing());
    let room = RoomId::trusted("r");
    let mut heard = memory.listen();
    memory.subscribe(&room).await.expect("subscribed");
    memory.drop_signals(2);
    for n in 0..3 {
        memory.publish(&room, &typing(n)).await.expect("published");
    }
    assert!(matches!(heard.recv().await, Some(Signal::Ephemeral(_, news)) if news == typing(2)));
    memory.drop_fraction(0.25);
    for n in 0..100 {
        memory.publish(&room, &typing(n)).await.expect("published");
    }
    assert_eq!(heard.len(), 75);
}

#[tokio::test]
async fn told_to_be_away_it_refuses_and_coming_back_is_a_gap() {
    let memory = Memory::new(MemoryConfig::for_testing());
    let room = RoomId::trusted("r");
    let mut heard = memory.listen();
    memory.away(true);
    assert!(memory.check().await.is_err());
    assert!(memory.subscribe(&room).await.is_err(), "the wish is kept");
    memory.away(false);
    assert!(matches!(heard.recv().await, Some(Signal::Gap)));
    memory.publish(&room, &typing(0)).await.expect("published");
    assert!(matches!(heard.recv().await, Some(Signal::Ephemeral(..))));
    memory.delay(Duration::from_millis(60));
    let began = tokio::time::Instant::now();
    memory.check().await.expect("slow but there");
    assert!(began.elapsed() >= Duration::from_millis(60));
}
