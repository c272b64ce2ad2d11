//! Sessions that were ended before their tokens: signed out on one device, or everywhere.
//!
//! Two things happen. The user's inbox is told ([`Kind::LoggedOut`]), in the log and so on every gateway, and each
//! closes the sockets concerned as it hears it. And the ending is remembered beside the snapshots of sessions, for as
//! long as the longest token that Parlor makes is good (at least a day): a token that is presented meanwhile is
//! refused. That memory may forget, and while it is away nobody is refused by it; but no refresh token of an ended
//! session is exchanged, so what is left then is the token's own time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Event, Kind};
use parlor_core::ids::{EventId, RoomId, UserId};
use parlor_core::time::Timestamp;
use sha2::Digest;

use super::{Identity, Invalid};
use crate::Shared;
use crate::client::Client;
use crate::commands::{answer, append};

/// All of a user's sessions that began before a time.
const ALL: &str = "all";
/// As long as a handshake or a request waits for the memory of sessions: longer than a loaded machine keeps a process
/// waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who a token says one is, unless its session was ended.
pub(crate) async fn admit(shared: &Shared, token: &str) -> Result<Identity, Invalid> {
    let identity = shared.tokens.verify(token).await?;
    if was_ended(shared, &identity).await {
        return Err(Invalid::Token("its session was ended".into()));
    }
    Ok(identity)
}

/// What a client is told of a token that is not taken: one and the same, whatever is wrong with it. A refused handshake
/// alone names an expired one besides.
pub(crate) fn refusal(error: &Invalid) -> ChatError {
    match error {
        Invalid::Token(_) | Invalid::Expired => ChatError::new(Code::Unauthorized, "Invalid token"),
        Invalid::Away(_) => ChatError::busy("tokens cannot be checked right now"),
    }
}

/// Whether the session that a client presented has ended since.
pub(crate) async fn has_ended(shared: &Shared, client: &Client) -> bool {
    match client.identity() {
        Some(identity) => was_ended(shared, &identity).await,
        None => false,
    }
}

async fn was_ended(shared: &Shared, identity: &Identity) -> bool {
    let (name, kept) = (name(&identity.user.id), shared.config.auth.longest());
    let sessions = &shared.ports.sessions;
    let one = async {
        match identity.session.as_deref() {
            Some(session) => sessions.load(&name, session, kept).await.ok().flatten().is_some(),
            None => false,
        }
    };
    let all = async { ended_all(shared, &name).await.is_some_and(|before| identity.issued <= before) };
    tokio::time::timeout(PATIENCE, async { tokio::join!(one, all) }).await.is_ok_and(|(one, all)| one || all)
}

/// Whether a user signed out everywhere at or after a time. One look-up; false while the memory of sessions is away.
pub(crate) async fn ended_since(shared: &Shared, user: &UserId, time: Timestamp) -> bool {
    let before = tokio::time::timeout(PATIENCE, ended_all(shared, &name(user))).await;
    before.ok().flatten().is_some_and(|before| time <= before)
}

/// When all of a user's sessions were ended last.
async fn ended_all(shared: &Shared, name: &str) -> Option<Timestamp> {
    let loaded = shared.ports.sessions.load(name, ALL, shared.config.auth.longest()).await.ok().flatten()?;
    Some(Timestamp(std::str::from_utf8(&loaded.snapshot).ok()?.parse().ok()?))
}

/// Ends a session of a user (`None`: all that began up to now) on every gateway. Its refresh tokens are ended by
/// whoever calls this.
///
/// # Errors
/// The log is away: live sockets were not told, and the caller may try again.
pub(crate) async fn end(shared: &Arc<Shared>, user: &Actor, session: Option<&str>) -> Result<(), ChatError> {
    let (key, snapshot) = match session {
        Some(session) => (session, Bytes::from_static(b"ended")),
        None => (ALL, Bytes::from(Timestamp::now().0.to_string())),
    };
    let kept = shared.config.auth.longest();
    if let Err(error) = shared.ports.sessions.save(&name(&user.id), key, snapshot, kept).await {
        tracing::warn!(%error, "an ended session could not be noted; its token is good until it expires");
    }
    let room = RoomId::inbox(&user.id);
    let kind = Kind::LoggedOut { session: session.map(str::to_owned) };
    let event = Event { id: EventId::now(), room: room.clone(), actor: user.clone(), kind };
    let pending = append(shared, &event)?;
    answer(shared, &room, pending).await.map(|_| ())
}

/// Closes those of a user's sockets whose session has ended. Called under the inbox's lock.
pub(crate) fn heed(clients: &[Arc<Client>], session: Option<&str>, at: Timestamp) {
    for client in clients.iter().filter(|client| client.was_logged_out(session, at)) {
        let client = client.clone();
        // Closing leaves rooms, this inbox among them.
        tokio::spawn(async move { client.put_out("signed out") });
    }
}

/// A name that no private id has, and that is the same length whatever the user's id holds.
fn name(user: &UserId) -> String {
    let hash = sha2::Sha256::digest(user.as_str().as_bytes());
    hash.iter().fold(String::from("ended:"), |name, byte| format!("{name}{byte:02x}"))
}
