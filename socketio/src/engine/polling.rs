//! HTTP long-polling (EIO4 § "HTTP long-polling"): a GET waits for packets, a POST brings some.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Response;
use hyper::body::Body as HttpBody;
use tokio::sync::oneshot;

use super::http::{self, Refused};
use super::mailbox::{Mailbox, Payload};
use super::packet::{self, SEPARATOR};
use crate::link::Link;
use crate::{CloseReason, Config, metric};

/// Waits for packets and answers with as many as fit. A second GET at the same time ends the session.
pub(crate) async fn poll(link: &Arc<Link>, mailbox: &Mailbox, config: &Config) -> Result<Response<Body>, Refused> {
    if mailbox.is_over() {
        return Err(Refused::BadRequest);
    }
    let Some(_turn) = mailbox.begin_poll() else {
        link.close(CloseReason::ProtocolError, true);
        return Err(Refused::BadRequest);
    };
    let body = poll_fn(|cx| {
        mailbox.poller.register(cx.waker());
        // Asked first: a frame that is queued before the end is then surely seen.
        let closing = link.closing();
        let frames = match closing {
            Some(closing) if closing.abort => Vec::new(),
            _ => link.take_packets(config.max_payload),
        };
        if frames.is_empty() && closing.is_none() {
            // The client waits for this GET's end before it goes over to its WebSocket (EIO4 § "Upgrade").
            return if link.hurries_polling() { Poll::Ready(packet::NOOP.to_owned()) } else { Poll::Pending };
        }
        let mut body = String::with_capacity(frames.iter().map(|f| f.packets().len() + 1).sum::<usize>() + 1);
        for frame in &frames {
            push_packet(&mut body, frame.packets());
        }
        metric::frames_out(frames.len());
        if closing.is_some_and(|c| c.abort || link.is_empty()) {
            push_packet(&mut body, "1");
            mailbox.tell();
            link.task.wake();
        }
        Poll::Ready(body)
    })
    .await;
    Ok(http::text(body))
}

fn push_packet(body: &mut String, packet: &str) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    body.push_str(packet);
}

/// Takes packets; answers `ok` once the session has taken them all, so that a client that sends faster than the
/// application works has to wait.
pub(crate) async fn post<B>(link: &Link, mailbox: &Mailbox, config: &Config, body: B) -> Result<Response<Body>, Refused>
where
    B: HttpBody + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if mailbox.is_over() {
        return Err(Refused::BadRequest);
    }
    let Some(_turn) = mailbox.begin_post() else {
        link.close(CloseReason::ProtocolError, true);
        return Err(Refused::BadRequest);
    };
    let read = tokio::time::timeout(config.header_timeout, Limited::new(body, config.max_frame).collect());
    let bytes = match read.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            link.close(CloseReason::TooLarge, false);
            return Err(Refused::TooLarge);
        }
        Ok(Err(_)) | Err(_) => return Err(Refused::BadRequest),
    };
    let Ok(text) = String::from_utf8(bytes.into()) else {
        link.close(CloseReason::InvalidText, false);
        return Err(Refused::BadRequest);
    };
    if text.bytes().filter(|b| *b == SEPARATOR as u8).count() >= config.max_packets {
        link.close(CloseReason::TooLarge, false);
        return Err(Refused::TooLarge);
    }
    let (done, taken) = oneshot::channel();
    if link.closing().is_some() || !mailbox.put(Payload { text, at: 0, done }) {
        return Err(Refused::UnknownSid);
    }
    link.task.wake();
    match taken.await {
        Ok(()) => Ok(http::text("ok".into())),
        Err(_) => Err(Refused::BadRequest),
    }
}
