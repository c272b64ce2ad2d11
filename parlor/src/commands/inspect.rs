//! `inspect`: what the store and Redis know of a room, and of a user in it. It only reads.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parlor_core::ids::{RoomId, Seq, UserId};
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::presence::Presence;
use parlor_core::ports::safety::Safety;
use parlor_core::ports::store::{Read, Store};
use parlor_fanout::redis::Redis;
use parlor_store::postgres::Postgres;
use serde_json::{Value, json};

use crate::compose;
use crate::config::Config;

/// What is asked. The servers may be away one by one: that is told in the answer's place.
struct Ports {
    store: Arc<dyn Store>,
    safety: Arc<dyn Safety>,
    fanout: Arc<dyn Fanout>,
    presence: Arc<dyn Presence>,
}

/// Prints what is known, as JSON.
pub(super) fn run(config: &Config, room: &str, user: Option<&str>) -> Result<()> {
    let Some(room) = RoomId::parse(room) else { bail!("--room: that is no room's id") };
    let user = match user {
        Some(user) => Some(UserId::parse(user).context("--user: that is no user's id")?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let known = runtime.block_on(async {
        let (redis, postgres): (Arc<Redis>, Arc<Postgres>) = compose::inspected(config).await?;
        let ports = Ports { store: postgres.clone(), safety: postgres, fanout: redis.clone(), presence: redis };
        anyhow::Ok(look(&ports, &room, user.as_ref(), config.kafka.partitions).await)
    })?;
    println!("{}", serde_json::to_string_pretty(&known).context("what is known cannot be shown")?);
    Ok(())
}

async fn look(ports: &Ports, room: &RoomId, user: Option<&UserId>, partitions: u32) -> Value {
    let mut known = json!({
        "room": room.as_str(),
        "partition": parlor_core::partition::of(room, partitions).0,
        "store": or_why(of_store(ports, room, partitions).await),
        "cache": or_why(of_cache(ports, room, partitions).await),
    });
    if let Some(user) = user {
        known["user"] = or_why(of_user(ports, room, user).await);
    }
    known
}

fn or_why(known: Result<Value>) -> Value {
    known.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }))
}

/// The room as the database has it. `version` rises with each change of its members or settings.
async fn of_store(ports: &Ports, room: &RoomId, partitions: u32) -> Result<Value> {
    let partition = parlor_core::partition::of(room, partitions);
    // A page says how far the store sees without making a row for a partition that has none.
    let newest = Read { room, partition, after: Seq::ZERO, before: Seq::MAX, limit: 1, newest_first: true };
    let applied = ports.store.messages(newest).await?.applied.0;
    let Some(found) = ports.store.room(room).await? else { return Ok(json!({ "exists": false, "applied": applied })) };
    Ok(json!({
        "exists": true,
        "kind": found.kind.as_str(),
        "name": found.name,
        "private": found.private,
        "members": found.member_count,
        "version": found.version,
        "applied": applied,
    }))
}

/// The room in Redis: by `version` gateways know whether the members that they remember still hold.
async fn of_cache(ports: &Ports, room: &RoomId, partitions: u32) -> Result<Value> {
    let heads = ports.fanout.heads(parlor_core::partition::of(room, partitions), std::slice::from_ref(room)).await?;
    let recent = ports.fanout.recent(room, Seq::ZERO, Seq::MAX, ports.fanout.remembers()).await?;
    let (online, _) = ports.presence.live(room, 0).await?;
    Ok(json!({
        "version": ports.fanout.version(room).await?,
        "head": heads.heads.first().copied().flatten().map(|seq| seq.0),
        "applied": heads.position.map(|position| position.offset.0),
        "events": recent.len(),
        "oldest": recent.first().map(|delivery| delivery.seq.0),
        "newest": recent.last().map(|delivery| delivery.seq.0),
        // Of a channel: who is in it has a lease, and no row.
        "liveUsers": online,
    }))
}

/// A user's standing in the room.
async fn of_user(ports: &Ports, room: &RoomId, user: &UserId) -> Result<Value> {
    let standing = ports.store.membership(room, user).await?.and_then(|(_, standing)| standing);
    let banned = ports.safety.banned(room, user).await?.is_some();
    let seen = ports.presence.look(std::slice::from_ref(user)).await;
    let status = seen.ok().and_then(|seen| seen.first().map(|seen| seen.status.as_str()));
    Ok(json!({
        "id": user.as_str(),
        "exists": !ports.store.users(std::slice::from_ref(user)).await?.is_empty(),
        "role": standing.map(|standing| standing.role.as_str()),
        "readsThrough": standing.and_then(|standing| standing.reads_through).map(|seq| seq.0),
        "banned": banned,
        "status": status,
    }))
}

#[cfg(test)]
mod tests {
    use parlor_core::event::{Event, Room, RoomKind};
    use parlor_core::ids::Generation;
    use parlor_core::membership::{Change, nameless};
    use parlor_core::ports::log::{Position, Record};
    use parlor_core::time::Timestamp;
    use parlor_fanout::memory::{Memory, MemoryConfig};
    use parlor_store::sqlite::Sqlite;

    use super::*;

    #[tokio::test]
    async fn an_operator_sees_whether_a_user_is_a_member_and_what_the_cache_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("store.db")).await.expect("a store");
        let memory = Memory::new(MemoryConfig::for_testing());
        let ports = Ports { store: store.clone(), safety: store.clone(), fanout: memory.clone(), presence: memory };
        let (ann, ben, room) = (UserId::trusted("ann"), UserId::trusted("ben"), RoomId::new_group());
        let unknown = look(&ports, &room, Some(&ann), 4).await;
        assert_eq!((&unknown["store"]["exists"], &unknown["user"]["role"]), (&json!(false), &Value::Null));

        for user in [&ann, &ben] {
            store.see_user(&nameless(user)).await.expect("seen");
        }
        let group = Room {
            id: room.clone(),
            kind: RoomKind::Group,
            name: Some("Crew".into()),
            description: None,
            avatar: None,
            private: true,
            created_by: ann.clone(),
            created_at: Timestamp(0),
            version: 0,
            member_count: 0,
        };
        let create = Change::Create { room: group, creator: nameless(&ann), members: vec![ben.clone()], limit: 10 };
        let made = store.change(&room, &create).await.expect("made");
        let partition = parlor_core::partition::of(&room, 4);
        let of_room = made.events.iter().filter(|event| event.room == room);
        let record = |(offset, event): (i64, &Event)| Record {
            partition,
            seq: Seq::new(Generation(1), parlor_core::ids::Offset(offset)),
            time: Timestamp(1),
            encoded: Vec::new().into(),
            event: Ok(event.clone().into()),
            trace: None,
        };
        let records: Vec<Record> = (0..).zip(of_room).map(record).collect();
        ports.fanout.claim(partition, Position::START).await.expect("claimed");
        ports.fanout.apply(partition, Position::START, &records).await.expect("applied");

        let known = look(&ports, &room, Some(&ben), 4).await;
        assert_eq!(known["store"]["members"], 2, "{known}");
        assert_eq!(known["user"]["role"], "member", "{known}");
        assert_eq!(known["cache"]["events"], records.len(), "{known}");
        assert_eq!(known["cache"]["newest"], known["cache"]["head"], "{known}");
        assert_eq!(known["cache"]["version"], known["store"]["version"], "gateways remember the right members");

        store.change(&room, &Change::Leave { user: nameless(&ben) }).await.expect("left");
        let known = look(&ports, &room, Some(&ben), 4).await;
        assert_eq!(known["user"]["role"], "left", "{known}");
        assert_ne!(known["cache"]["version"], known["store"]["version"], "the leaving is not in the log yet: {known}");
    }
}
