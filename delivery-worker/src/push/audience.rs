//! Whom a message is still to be pushed to: members who are away and have not read it.

use std::collections::HashSet;
use std::sync::Arc;

use parlor_core::event::Status;
use parlor_core::ids::UserId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::devices::{Announced, Devices, Listener, Subscription};
use parlor_core::ports::presence::Presence;

use super::announce::Announcement;

/// Users whose presence and devices are asked for at once.
const CHUNK: usize = 500;

/// Who is away, and where their devices are.
pub(super) struct Audience {
    pub(super) devices: Arc<dyn Devices>,
    pub(super) presence: Arc<dyn Presence>,
    pub(super) big_room: u32,
}

impl Audience {
    /// Those of the members who want to be told that have not read the messages.
    pub(super) async fn unread(&self, messages: &[Announcement]) -> Result<Vec<Listener>, Unavailable> {
        let asked: Vec<Announced<'_>> = messages
            .iter()
            .map(|message| {
                let event = message.event();
                Announced { room: &event.room, sender: &event.actor.id, mentions: message.mentions() }
            })
            .collect();
        let mut listeners = self.devices.audience(&asked, self.big_room).await?;
        let unread = |listener: &Listener| {
            messages.get(listener.message).is_some_and(|message| listener.read_through < message.seq)
        };
        listeners.retain(unread);
        Ok(listeners)
    }

    /// The devices of those who are away, chunk by chunk.
    pub(super) async fn devices(&self, listeners: &[Listener]) -> Result<Vec<(usize, Subscription)>, Unavailable> {
        let mut users: Vec<UserId> = listeners.iter().map(|listener| listener.user.clone()).collect();
        users.sort();
        users.dedup();
        let absent = self.absent(&users).await?;
        let subscriptions = self.devices.subscriptions(&absent).await?;
        let theirs = |user: UserId| {
            let begin = subscriptions.partition_point(|one| one.user < user);
            subscriptions[begin..].iter().take_while(move |one| one.user == user)
        };
        let each = listeners.iter().flat_map(|listener| {
            theirs(listener.user.clone()).map(|subscription| (listener.message, subscription.clone()))
        });
        Ok(each.collect())
    }

    /// Whether a member who was away still is, and has still not read the message.
    pub(super) async fn still(&self, message: &Announcement, user: &UserId) -> Result<bool, Unavailable> {
        if self.absent(std::slice::from_ref(user)).await?.is_empty() {
            return Ok(false);
        }
        let unread = self.unread(std::slice::from_ref(message)).await?;
        Ok(unread.iter().any(|listener| listener.user == *user))
    }

    /// Those whom presence calls offline.
    async fn absent(&self, users: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        let seen = self.presence.look(users).await?;
        let away = users.iter().zip(seen).filter(|(_, seen)| seen.status == Status::Offline);
        Ok(away.map(|(user, _)| user.clone()).collect())
    }
}

/// Cuts listeners so that of each piece about [`CHUNK`] users are asked for.
pub(super) fn chunks(listeners: Vec<Listener>) -> Vec<Vec<Listener>> {
    let (mut chunks, mut users): (Vec<Vec<Listener>>, HashSet<UserId>) = (Vec::new(), HashSet::new());
    for listener in listeners {
        if chunks.is_empty() || (users.len() >= CHUNK && !users.contains(&listener.user)) {
            chunks.push(Vec::new());
            users.clear();
        }
        users.insert(listener.user.clone());
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(listener);
        }
    }
    chunks
}
