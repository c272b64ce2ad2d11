//! The accept loop, and HTTP on what it accepts.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::stalling::Stalling;
use crate::{Application, Server, routes};

/// Header fields of one request.
const MAX_HEADERS: usize = 64;
/// Bytes of one request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Between two samples of the queue gauge.
const SAMPLE: Duration = Duration::from_secs(5);

pub(crate) async fn run<A: Application>(
    server: &Arc<Server<A>>,
    listener: TcpListener,
    rest: axum::Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut sample = tokio::time::interval(SAMPLE);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sample.tick() => {
                server.sample();
                continue;
            }
            () = shutdown.cancelled() => return Ok(()),
        };
        match accepted {
            Ok((stream, remote)) => {
                if let Some(place) = Place::take(server) {
                    // Its failure ends this connection alone.
                    tokio::spawn(http(server.clone(), stream, remote, rest.clone(), place));
                }
            }
            // The peer was gone before it was accepted.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) if is_final(&error) => return Err(error),
            // Out of descriptors or memory, of which some will come free; or the network's own trouble (accept(2)).
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Whether the listener itself is of no use any more.
fn is_final(error: &io::Error) -> bool {
    // EBADF, EFAULT, EINVAL, ENOTSOCK
    matches!(error.raw_os_error(), Some(9 | 14 | 22 | 88))
}

/// A place among the HTTP connections, given free when dropped.
struct Place<A>(Arc<Server<A>>);

impl<A: Application> Place<A> {
    fn take(server: &Arc<Server<A>>) -> Option<Self> {
        let count: &AtomicUsize = &server.http_connections;
        if count.fetch_add(1, Ordering::AcqRel) >= server.config().max_http_connections {
            count.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Self(server.clone()))
    }
}

impl<A> Drop for Place<A> {
    fn drop(&mut self) {
        self.0.http_connections.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn http<A: Application>(
    server: Arc<Server<A>>,
    stream: TcpStream,
    remote: SocketAddr,
    rest: axum::Router,
    _place: Place<A>,
) {
    // Without them the connection only works less well.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(server.config().send_buffer);
    let service = service_fn(|request| {
        let (server, rest) = (server.clone(), rest.clone());
        async move { Ok::<_, Infallible>(routes::answer(&server, request, remote, rest).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.config().header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Stalling::new(stream, server.config().write_stall)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = server.http_end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            bounded(server.config().close_timeout, connection).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

async fn bounded<E>(limit: Duration, future: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    tokio::time::timeout(limit, future).await.unwrap_or(Ok(()))
}
