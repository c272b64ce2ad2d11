//! A polling session goes over to a WebSocket (EIO4 § "Upgrade"): the client opens one beside its polling, both sides
//! show that it works (`2probe`, `3probe`), the client stops polling, and its `5` makes the WebSocket the transport.
//! Until then the session is as it was: a WebSocket that fails, or stops half way, changes nothing.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::time::timeout;

use crate::link::Link;
use crate::ws::{Flow, Incoming, Message};
use crate::{CloseReason, Config, Frame};

const PROBE: &str = "2probe";
const ANSWER: &str = "3probe";
const UPGRADE: &str = "5";
/// Bytes of the largest message that is of any use here.
const MAX: usize = 125;

/// Why a WebSocket did not become the session's transport.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("another upgrade of the session is under way, or done")]
    Busy,
    #[error("the session ended first")]
    Ended,
    #[error("no probe and upgrade in time")]
    TooLate,
    #[error("it was closed: {0}")]
    Closed(CloseReason),
    #[error("an unexpected message")]
    Unexpected,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Has a WebSocket prove itself, then makes it the session's transport. `early`: what came along with the request.
pub(crate) async fn run(
    link: &Arc<Link>,
    mut incoming: Incoming,
    early: &mut [u8],
    config: &Config,
) -> Result<(), Failed> {
    let mailbox = link.mailbox.as_deref().ok_or(Failed::Busy)?;
    let _turn = mailbox.begin_probe().ok_or(Failed::Busy)?;
    let probed = timeout(config.upgrade_timeout, async {
        expect(&mut incoming, early, PROBE).await?;
        write(&incoming, &Frame::text(ANSWER)).await?;
        link.upgrading(true);
        expect(&mut incoming, &mut [], UPGRADE).await
    });
    let ended = poll_fn(|cx| {
        mailbox.prober.register(cx.waker());
        if link.closing().is_some() { Poll::Ready(()) } else { Poll::Pending }
    });
    let probed = tokio::select! {
        probed = probed => probed.unwrap_or(Err(Failed::TooLate)),
        () = ended => Err(Failed::Ended),
    };
    if probed.is_ok() && link.attach(incoming.stream.clone()) {
        mailbox.hand_over(incoming);
        link.wake();
        return Ok(());
    }
    link.upgrading(false);
    probed
}

/// Waits for one message and keeps back what follows it.
async fn expect(incoming: &mut Incoming, early: &mut [u8], expected: &str) -> Result<(), Failed> {
    let mut seen = None;
    incoming.feed(early, MAX, &mut |message| note(message, expected, &mut seen)).map_err(Failed::Closed)?;
    while seen.is_none() {
        let read = poll_fn(|cx| incoming.poll_read(cx, MAX, &mut |message| note(message, expected, &mut seen)));
        read.await.map_err(Failed::Closed)?;
    }
    if seen == Some(true) { Ok(()) } else { Err(Failed::Unexpected) }
}

fn note(message: Message<'_>, expected: &str, seen: &mut Option<bool>) -> Result<Flow, CloseReason> {
    match message {
        Message::Text(text) => {
            *seen = Some(text == expected);
            Ok(Flow::Pause)
        }
        Message::Ping(_) | Message::Pong => Ok(Flow::More),
        Message::Close => Err(CloseReason::TransportClose),
        _ => Err(CloseReason::ProtocolError),
    }
}

/// Nothing else is written to a WebSocket that has not become the transport.
async fn write(incoming: &Incoming, frame: &Frame) -> io::Result<()> {
    let mut rest = frame.framed();
    poll_fn(|cx| {
        while !rest.is_empty() {
            ready!(incoming.stream.tcp.poll_write_ready(cx))?;
            match incoming.stream.tcp.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
