//! A client as socket.io-client 4 is one, over WebSocket (`transports: ["websocket"]`): it comes back by itself with its
//! private id and its last offset, and sends again what was not answered (`retries`).

use std::ops::ControlFlow;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::AbortHandle;

use super::books::Books;
use crate::backoff::Backoff;
use crate::client::{Client, Ended, Frames, Refused, Scratch};
use crate::identity::Past;

/// One client.
struct Member {
    socket: u32,
    client: Client,
    books: Rc<Books>,
    scratch: Scratch,
}

/// Connects, joins the room if that is a channel, and goes on living by itself.
///
/// # Errors
/// It was not let in, or not into its room.
pub(super) async fn arrive(socket: u32, books: Rc<Books>, scratch: Scratch, joins: bool) -> Result<AbortHandle> {
    let auth = books.identities.auth(socket as usize)?;
    let mut client = Client::connect(books.target(socket), &auth, &scratch).await?;
    if joins {
        let room = json!({ "roomId": books.room_of(socket) });
        let advice =
            "a client could not join a room; users must be let make rooms by joining: make cluster PROFILE=load";
        client.ask("room.join", &room).await.context(advice)?;
    }
    books.arrived(socket, &client);
    let member = Member { socket, client, books, scratch };
    Ok(tokio::task::spawn_local(member.live()).abort_handle())
}

impl Member {
    /// Lives until the server puts it out for good.
    async fn live(self) {
        let Self { socket, mut client, books, scratch } = self;
        let mut past = Past { pid: client.pid.clone(), offset: None };
        let mut backoff = Backoff::default();
        loop {
            let ended = stay(socket, &mut client, &books).await;
            // An offset outlives its session in a stock client, too.
            past.offset = client.reader.offset.take().or(past.offset);
            books.went(socket);
            drop(client);
            if ended == Ended::Disconnected {
                return books.gave_up(socket, ended.to_string());
            }
            client = loop {
                tokio::time::sleep(backoff.wait()).await;
                match attempt(socket, &books, &scratch, &past).await {
                    Ok(client) => break client,
                    Err(error) if error.is::<Refused>() => return books.gave_up(socket, error.to_string()),
                    Err(error) => books.failed(&error),
                }
            };
            backoff.reset();
            let recovered = client.pid.is_some() && client.pid == past.pid;
            past.pid.clone_from(&client.pid);
            books.came_back(socket, &client, recovered);
            resend(socket, &client, &books);
        }
    }
}

async fn attempt(socket: u32, books: &Books, scratch: &Scratch, past: &Past) -> Result<Client> {
    let auth = books.identities.auth_again(socket as usize, past)?;
    Client::connect(books.target(socket), &auth, scratch).await
}

/// Reads until the connection ends.
async fn stay(socket: u32, client: &mut Client, books: &Books) -> Ended {
    let is_cut = books.is_cut(&client.gateway);
    let read = client.reader.pump(|packet, arrival| {
        books.packet(socket, &packet, arrival);
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
    tokio::select! {
        ended = read => match ended {
            Ok(never) => match never {},
            Err(why) => why,
        },
        () = is_cut => Ended::Broken(std::io::ErrorKind::ConnectionAborted),
    }
}

/// Sends what was not answered, in its order.
fn resend(socket: u32, client: &Client, books: &Books) {
    let mut frames = Frames::new();
    for packet in books.unanswered(socket) {
        frames.push(packet.as_bytes());
    }
    // Broken again: then once more, when it is back.
    let _ = client.sender.send_all(&frames);
}
