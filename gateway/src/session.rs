//! One socket's life: CONNECT, who it is, its events in order, its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use parking_lot::Mutex;
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::event::{Actor, Role};
use parlor_core::ids::RoomId;
use parlor_core::ports::store::{Membership, RoomSummary};
use parlor_socketio::{Application, CloseReason, Connect, Event, Fault, Refusal, Session, Socket};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::{self, Identity};
use crate::caller::Caller;
use crate::client::Client;
use crate::closing::Closing;
use crate::commands::{self, Reply};
use crate::flood::{Flood, Verdict};
use crate::hub::{self, From};
use crate::resume::{self, Track};
use crate::vocabularies::{self, News, Vocabulary};
use crate::{Shared, presence, receipts, refusals, waiting};

/// Rooms of a user that a socket enters at connect; the others when it joins them.
const ROOMS_AT_CONNECT: usize = 1_000;
/// Rooms entered side by side.
const ENTERING: usize = 16;

/// The gateway as the transport sees it.
pub(crate) struct Front {
    shared: Arc<Shared>,
}

/// What a client may say of itself on CONNECT.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Hello {
    token: Option<String>,
    name: Option<String>,
    vocabulary: Option<String>,
}

impl Front {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Application for Front {
    type Session = Conversation;

    async fn connect(&self, socket: Socket, request: Connect) -> Result<Conversation, Refusal> {
        let hello: Hello = match &request.auth {
            None => Hello::default(),
            Some(auth) => serde_json::from_str(auth.get())
                .map_err(|_| refused(&ChatError::field("auth", "auth must be an object of strings")))?,
        };
        let vocabulary = match hello.vocabulary.as_deref() {
            None => None,
            Some(name) => Some(
                Vocabulary::parse(name)
                    .ok_or_else(|| refused(&ChatError::field("vocabulary", "Unknown vocabulary")))?,
            ),
        };
        let lineage = auth::lineage(request.pid.as_deref());
        let header = request.handshake.headers.get("authorization").and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim().to_owned());
        let token = hello.token.or(bearer).filter(|token| !token.is_empty());
        let admitted = async {
            match &token {
                Some(token) => auth::admit(&self.shared, token).await.map(Some),
                None => Ok(None),
            }
        };
        let recalled = resume::recall(&self.shared, request.pid.as_deref(), request.offset.as_deref());
        let (session, admitted) = tokio::join!(recalled, admitted);
        let admitted = admitted.map_err(|error| {
            tracing::info!(%error, "a handshake's token was refused");
            let refusal = auth::refusal(&error);
            if refusal.code.retryable() {
                // A refusal would keep a stock client from trying again.
                socket.close(Closing::TokensUnchecked.into());
            }
            match error {
                auth::Invalid::Expired => refused_as(vocabularies::TOKEN_EXPIRED, &refusal),
                auth::Invalid::Token(_) | auth::Invalid::Away(_) => refused(&refusal),
            }
        })?;
        // A guest without a token is known by the lineage alone; one who came with a token shows it again.
        let own = |session: &&resume::Session| {
            session.snapshot.guest && session.belongs_to(&auth::guest(&lineage, None).user.id)
        };
        let known_as = session.as_ref().filter(own).map(|session| &*session.snapshot.user.name);
        let known_as = hello.name.as_deref().or(known_as);
        let identity = match admitted {
            Some(identity) => Some(identity),
            None if self.shared.config.auth.guests && known_as.is_some() => Some(auth::guest(&lineage, known_as)),
            None => None,
        };
        let session = match (session, &identity) {
            // Somebody else's session is none that one can go on with.
            (Some(session), Some(identity)) if !session.belongs_to(&identity.user.id) => None,
            (Some(mut session), _) => session.can_go_on(&self.shared).await.then_some(session),
            (None, _) => None,
        };
        let remembered =
            session.as_ref().and_then(|session| Vocabulary::parse(session.snapshot.vocabulary.as_deref()?));
        let vocabulary = vocabulary.or(remembered);
        let private_id = match &session {
            Some(session) => {
                socket.set_id(session.snapshot.socket.clone());
                session.private_id.clone()
            }
            None => auth::private_id(&lineage),
        };
        // The same id as before is what tells a stock client that its session goes on.
        socket.set_private_id(private_id.clone());
        let track = Track::new(self.shared.due.clone());
        socket.set_offsets(resume::EVENT, track.clone());
        let spoken = vocabulary.unwrap_or(self.shared.config.vocabulary);
        let client = Client::new(socket, private_id.into(), track, spoken, vocabulary.is_some());
        let session = Mutex::new(session.map(Box::new));
        let (shared, flood) = (self.shared.clone(), Arc::default());
        let conversation = Conversation { shared, client, flood, session: Arc::new(session) };
        if let Some(identity) = identity {
            conversation.identify(identity).map_err(|error| refused(&error))?;
        }
        Ok(conversation)
    }
}

/// A refused CONNECT: its message is `err.message`, and `err.data` what a refused request is answered with.
fn refused(error: &ChatError) -> Refusal {
    refused_as(error.code.as_str(), error)
}

/// The same under a name that says more than the error's code.
fn refused_as(code: &str, error: &ChatError) -> Refusal {
    let mut data = serde_json::from_str::<Value>(&vocabularies::refusal_body(error, false)).ok();
    if let Some(data) = &mut data {
        data["error"] = code.into();
    }
    Refusal { message: error.message.clone(), data }
}

/// One socket's session.
#[derive(Clone)]
pub(crate) struct Conversation {
    shared: Arc<Shared>,
    client: Arc<Client>,
    flood: Arc<Mutex<Flood>>,
    /// What it goes on with, until the client is known to be its user.
    session: Arc<Mutex<Option<Box<resume::Session>>>>,
}

impl Conversation {
    /// Takes an identity on. True: the socket was nobody before, and is to be welcomed.
    fn identify(&self, identity: Identity) -> Result<bool, ChatError> {
        let user = identity.user.id.clone();
        let first = self
            .client
            .identify(identity)
            .ok_or_else(|| ChatError::new(Code::Unauthorized, "the token is another user's"))?;
        if first && !self.shared.clients.add(&user, &self.client, self.shared.config.max_connections_per_user) {
            return Err(ChatError::new(Code::Unauthorized, "too many connections of this user"));
        }
        // Who closed before it was added was not there to be taken away.
        if self.client.is_closed() {
            self.shared.clients.remove(&user, &self.client);
            return Err(ChatError::busy("the connection has closed"));
        }
        Ok(first)
    }

    /// The socket has just become somebody: it goes on where it was, or begins.
    async fn welcome(&self) {
        let Some(user) = self.client.user() else { return };
        let session = self.session.lock().take();
        match session {
            None => self.begin(&user).await,
            Some(session) if !session.belongs_to(&user.id) => {
                // It presented this session before it said who it is.
                self.client.disown();
                self.begin(&user).await;
            }
            Some(session) => {
                self.client.set_status(session.snapshot.status);
                if resume::replay(&self.shared, &self.client, *session).await {
                    self.client.tell_all(&News::Recovered);
                    // What it missed is on its queue.
                    self.client.track.release();
                    presence::arrived(&self.shared, &self.client).await;
                    self.tell_rooms();
                } else {
                    // It was told that it is recovered, and is not.
                    resume::start_anew(&self.shared, &self.client);
                }
            }
        }
    }

    /// Tells a client that goes on with its session how its rooms stand. It has them, and needs not wait for the store:
    /// when thousands come back at once, they ask it a few at a time.
    fn tell_rooms(&self) {
        let late = self.clone();
        tokio::spawn(async move {
            while late.client.socket.is_open() {
                let Some(user) = late.client.user() else { return };
                let turn = late.shared.telling.acquire().await;
                let rooms = late.shared.ports.store.rooms_of(&user.id, ROOMS_AT_CONNECT).await;
                if let Ok(mut rooms) = rooms {
                    receipts::overlay(&late.shared, &user.id, &mut rooms).await;
                    late.client.tell_all(&News::Authenticated { user: &user, rooms: &rooms });
                    receipts::tell_missed(&late.shared, &late.client).await;
                    return;
                }
                drop(turn);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// The user's inbox and rooms are entered, presence is told.
    async fn begin(&self, user: &Actor) {
        if let Err(error) = self.shared.ports.store.see_user(user).await {
            tracing::debug!(%error, "a user's profile could not be written; it follows when the store is back");
            self.see_later();
        }
        // The inbox first: a removal that comes while the rooms are entered is then seen.
        self.enter(&RoomId::inbox(&user.id), hub::ALWAYS).await;
        // From here on the inbox tells of a session's end; one that ended while this one connected is noted.
        let (ended, rooms) = tokio::join!(
            auth::has_ended(&self.shared, &self.client),
            self.shared.ports.store.rooms_of(&user.id, ROOMS_AT_CONNECT)
        );
        if ended {
            return self.client.put_out("signed out");
        }
        match rooms {
            Ok(rooms) => self.begin_in(user, rooms).await,
            Err(error) => {
                tracing::warn!(%error, "a user's rooms could not be read; they follow when the store is back");
                self.client.tell_all(&News::Authenticated { user, rooms: &[] });
                presence::arrived(&self.shared, &self.client).await;
                self.enter_later();
            }
        }
    }

    /// The user's rooms are known: they are entered and told, and told of the user.
    async fn begin_in(&self, user: &Actor, mut rooms: Vec<RoomSummary>) {
        self.enter_all(&rooms).await;
        receipts::overlay(&self.shared, &user.id, &mut rooms).await;
        self.client.tell_all(&News::Authenticated { user, rooms: &rooms });
        // From here on it is told where it stands, and may come back; before, who comes back would be taken for one who
        // has its rooms.
        self.client.track.begin();
        waiting::tell(&self.shared, &self.client);
        presence::arrived(&self.shared, &self.client).await;
    }

    async fn enter(&self, room: &RoomId, version: u64) {
        if let Err(error) = hub::enter(&self.shared, &self.client, room, From::Now, version).await {
            hub::not_entered(&self.client, room, &error);
        }
    }

    async fn enter_all(&self, rooms: &[RoomSummary]) {
        if let Some(user) = self.client.user() {
            for summary in rooms {
                let membership = Membership { role: summary.role, reads_through: None };
                self.shared.memberships.learn(summary.room.clone(), &user.id, Some(membership));
            }
        }
        let members = rooms.iter().filter(|summary| summary.role != Role::Left);
        futures_util::stream::iter(members)
            .for_each_concurrent(ENTERING, |summary| self.enter(&summary.room.id, summary.room.version))
            .await;
    }

    /// Enters the user's rooms once the store answers again.
    fn enter_later(&self) {
        self.later(|late, user| async move {
            let Ok(rooms) = late.shared.ports.store.rooms_of(&user.id, ROOMS_AT_CONNECT).await else { return false };
            late.begin_in(&user, rooms).await;
            // Those who are in the rooms have not been told before.
            presence::tell_later(&late.shared, &user.id);
            true
        });
    }

    /// Writes the user's profile once the store answers again: nobody can name a user to whom none belongs, as when a
    /// group is made.
    fn see_later(&self) {
        self.later(|late, user| async move { late.shared.ports.store.see_user(&user).await.is_ok() });
    }

    /// Tries each second until it is done, while the socket lives.
    fn later<F: Future<Output = bool> + Send>(&self, attempt: impl Fn(Self, Actor) -> F + Send + 'static) {
        let late = self.clone();
        tokio::spawn(async move {
            while late.client.socket.is_open() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let Some(user) = late.client.user() else { return };
                if attempt(late.clone(), user).await {
                    return;
                }
            }
        });
    }

    /// Asks for a token, and ends the socket if none comes; where guests are let in it becomes one.
    fn ask_for_token(&self) {
        self.client.tell_all(&News::AskToken);
        let late = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(late.shared.config.auth.patience).await;
            if late.client.user().is_some() || !late.client.socket.is_open() {
                return;
            }
            if late.shared.config.auth.guests {
                if let Ok(true) = late.identify(auth::guest(&late.client.lineage, None)) {
                    late.welcome().await;
                }
            } else {
                late.client.put_out("Authentication token required");
            }
        });
    }

    async fn authenticate(&self, token: &str, reply: Reply) {
        let identified = match auth::admit(&self.shared, token).await {
            Ok(identity) => self.identify(identity),
            Err(error) => {
                tracing::info!(%error, "a token was refused");
                let refusal = auth::refusal(&error);
                if refusal.code.retryable() {
                    return reply.refuse(&refusal);
                }
                Err(refusal)
            }
        };
        match identified {
            Ok(first) => {
                if first {
                    self.welcome().await;
                } else if let Some(user) = self.client.user() {
                    self.client.tell(&News::Authenticated { user: &user, rooms: &[] });
                }
                reply.done();
            }
            Err(error) => {
                reply.refuse(&error);
                self.client.put_out(&error.message);
            }
        }
    }

    /// Makes sure that the socket is somebody before it acts.
    async fn somebody(&self) -> Result<Caller, ChatError> {
        if let Some(caller) = Caller::socket(&self.client) {
            return Ok(caller);
        }
        if !self.shared.config.auth.guests {
            return Err(ChatError::new(Code::Unauthorized, "Authentication token required"));
        }
        if self.identify(auth::guest(&self.client.lineage, None))? {
            self.welcome().await;
        }
        Caller::socket(&self.client).ok_or_else(|| ChatError::new(Code::Unauthorized, "Authentication token required"))
    }
}

impl Session for Conversation {
    async fn opened(&self) {
        if self.client.user().is_some() {
            self.welcome().await;
        } else {
            self.ask_for_token();
        }
    }

    async fn event(&self, event: Event) {
        metrics::counter!("parlor_events_in_total").increment(1);
        let began = Instant::now();
        let verdict = self.flood.lock().count(self.shared.config.limits.event, began);
        if verdict == Verdict::Closed {
            tracing::info!("a socket that floods its gateway is closed");
            self.client.end(Closing::TooManyEvents);
            return;
        }
        if Vocabulary::decides(&event.name)
            && self.client.undecided()
            && let Some(vocabulary) = Vocabulary::of_event(&event.name)
        {
            self.client.decide(vocabulary);
        }
        let rules = &self.shared.config.rules;
        let temp_id = crate::vocabularies::temp_id(&event.args, rules);
        let vocabulary = self.client.vocabulary();
        let command = match event.fault {
            _ if let Verdict::Refused(error) = verdict => {
                if let Some(limit) = error.limit {
                    let user = self.client.user();
                    refusals::limit_passed(user.as_ref().map_or("", |user| user.id.as_str()), "event", limit);
                }
                Err(error)
            }
            Some(Fault::TooLarge) => Err(ChatError::new(Code::TooLarge, "an event may hold at most 64 KiB")),
            Some(Fault::Json(reason)) => Err(ChatError::new(Code::BadRequest, reason)),
            None if !event.attachments.is_empty() => {
                Err(ChatError::new(Code::BadRequest, "binary data is not taken here"))
            }
            None => vocabulary.parse_command(&event.name, &event.args, rules),
        };
        let reply = Reply::new(self.client.clone(), vocabulary, event.name, temp_id, event.ack, began);
        match command {
            Ok(Command::Authenticate { token }) => self.authenticate(&token, reply).await,
            Ok(Command::Disconnect) => {
                reply.done();
                self.client.socket.disconnect(CloseReason::ServerDisconnect);
            }
            Ok(command) => match self.somebody().await {
                Ok(caller) => commands::act(&self.shared, &caller, command, reply).await,
                Err(error) => reply.refuse(&error),
            },
            Err(error) => reply.refuse(&error),
        }
    }

    async fn closed(&self, reason: CloseReason) {
        tracing::debug!(reason = reason.text(), "a socket closed");
        self.client.track.close();
        let rooms = self.client.close();
        let over = matches!(reason, CloseReason::ClientDisconnect | CloseReason::ServerDisconnect);
        if over
            && self.client.user().is_some()
            && self.client.owns_session()
            && let Err(error) = self.shared.ports.sessions.end(&self.client.private_id).await
        {
            tracing::debug!(%error, "a session could not be ended; it expires");
        }
        presence::left(&self.shared, &self.client, rooms).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refused_handshake_tells_in_data_what_a_refused_request_is_told() {
        let bad = auth::refusal(&auth::Invalid::Token("forged".into()));
        let Refusal { message, data } = refused(&bad);
        assert_eq!(message, "Invalid token");
        let told = json!({ "error": "unauthorized", "message": "Invalid token", "retryable": false });
        assert_eq!(data, Some(told.clone()));

        let expired = refused_as(vocabularies::TOKEN_EXPIRED, &auth::refusal(&auth::Invalid::Expired));
        assert_eq!(expired.message, "Invalid token");
        assert_eq!(expired.data.expect("data")["error"], "token_expired");

        let field = refused(&ChatError::field("vocabulary", "Unknown vocabulary")).data.expect("data");
        assert_eq!((&field["error"], &field["field"]), (&json!("bad_request"), &json!("vocabulary")));
    }
}
