//! Rooms that users belong to wherever they are connected, and whenever they come back.

use anyhow::{Context, Result, bail};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, Scratch};
use crate::identity::Identities;
use crate::target::Target;

/// Made at once.
const MAKING: usize = 16;

/// Makes `rooms` groups of `members` users each, who have all been connected once: user `n` is in room `n / members`.
/// Their first members make them, each over one more connection for a moment. Returns their ids.
///
/// # Errors
/// Guests' ids are not known here; or a room was refused.
pub(crate) async fn make(targets: &[Target], identities: &Identities, rooms: u32, members: u32) -> Result<Vec<String>> {
    let scratch = Scratch::new();
    stream::iter(0..rooms as usize)
        .map(|room| {
            let scratch = &scratch;
            async move {
                let users = room * members as usize..(room + 1) * members as usize;
                let ids: Vec<String> = users.clone().filter_map(|user| identities.user(user)).collect();
                if ids.len() < members as usize {
                    bail!("users of groups need tokens\n  next: --secret, or --channels");
                }
                let auth = identities.auth(users.start)?;
                let mut creator = Client::connect(targets[room % targets.len()], &auth, scratch).await?;
                let name = format!("swarm {room}");
                let answer = creator.ask("room.create", &json!({ "name": name, "memberIds": ids })).await?;
                serde_json::from_str::<(Created,)>(&answer).map(|(created,)| created.room.id).context("no room's id")
            }
        })
        .buffered(MAKING)
        .try_collect()
        .await
}

#[derive(Deserialize)]
struct Created {
    room: Room,
}

#[derive(Deserialize)]
struct Room {
    #[serde(rename = "roomId")]
    id: String,
}
