//! Which request is what: Engine.IO's checks in the reference server's order (engine.io, `Server.verify`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::connection::{Carrier, Connection};
use crate::engine::http::{self, Refused};
use crate::engine::{packet, polling, upgrade};
use crate::handshake::Kept;
use crate::link::Link;
use crate::stalling::Stalling;
use crate::ws;
use crate::{Application, CloseReason, Frame, Server, Transport};

/// Where Engine.IO clients look if nobody tells them otherwise.
const ENGINE_PATH: &str = "/engine.io/";

pub(crate) async fn answer<A: Application>(
    server: &Arc<Server<A>>,
    mut request: Request<Incoming>,
    remote: SocketAddr,
    mut rest: axum::Router,
) -> Response<Body> {
    let path = request.uri().path();
    let config = server.config();
    let ours = |own: &str| path == own || Some(path) == own.strip_suffix('/');
    if !(ours(&config.path) || config.engine.is_some() && ours(ENGINE_PATH)) {
        request.extensions_mut().insert(ConnectInfo(remote));
        // A router is always ready, and its error is `Infallible`.
        return rest.call(request).await.unwrap_or_else(|never| match never {});
    }
    let origins = &server.config().origins;
    let origin = request.headers().get(header::ORIGIN).cloned();
    if !http::allowed(origins, request.headers()) {
        return Refused::Forbidden.response();
    }
    let mut response = if request.method() == Method::OPTIONS {
        http::preflight()
    } else {
        engine(server, request, remote).await.unwrap_or_else(Refused::response)
    };
    http::add_cors(origins, origin.as_ref(), response.headers_mut());
    response
}

/// What an Engine.IO request asks for (EIO4 § "Handshake").
#[derive(Default)]
struct Query {
    transport: Option<Transport>,
    version: Option<String>,
    sid: Option<String>,
}

impl Query {
    fn read(query: &str) -> Self {
        let mut read = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (key, value) {
                ("transport", "polling") => read.transport = Some(Transport::Polling),
                ("transport", "websocket") => read.transport = Some(Transport::WebSocket),
                ("EIO", version) => read.version = Some(version.to_owned()),
                ("sid", sid) => read.sid = Some(sid.to_owned()),
                _ => {}
            }
        }
        read
    }
}

async fn engine<A: Application>(
    server: &Arc<Server<A>>,
    request: Request<Incoming>,
    remote: SocketAddr,
) -> Result<Response<Body>, Refused> {
    let query = Query::read(request.uri().query().unwrap_or_default());
    match (query.transport.ok_or(Refused::UnknownTransport)?, query.sid.as_deref()) {
        (Transport::Polling, Some(sid)) => session(server, sid, request).await,
        (Transport::Polling, None) => {
            if request.method() != Method::GET {
                return Err(Refused::BadMethod);
            }
            version(&query)?;
            Ok(open_polling(server, &request, remote)?)
        }
        (Transport::WebSocket, Some(sid)) => {
            let link = server.find(sid).ok_or(Refused::UnknownSid)?;
            if link.transport() == Transport::WebSocket {
                return Err(Refused::BadRequest);
            }
            let (response, upgrade) = accept(server, request)?;
            tokio::spawn(change(server.clone(), link, upgrade));
            Ok(response)
        }
        (Transport::WebSocket, None) => {
            if request.method() != Method::GET {
                return Err(Refused::BadMethod);
            }
            version(&query)?;
            let kept = kept(server, &request, remote, Transport::WebSocket);
            let (response, upgrade) = accept(server, request)?;
            let link = server.enter(kept)?;
            // Its failure ends this connection alone. Spawned, so that hyper's own state is freed.
            tokio::spawn(open(server.clone(), link, upgrade));
            Ok(response)
        }
    }
}

fn version(query: &Query) -> Result<(), Refused> {
    if query.version.as_deref() == Some("4") { Ok(()) } else { Err(Refused::UnsupportedVersion) }
}

/// A request of a polling session.
async fn session<A: Application>(
    server: &Arc<Server<A>>,
    sid: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let link = server.find(sid).ok_or(Refused::UnknownSid)?;
    let mailbox = link.mailbox.as_deref().ok_or(Refused::BadRequest)?;
    match *request.method() {
        Method::GET => polling::poll(&link, mailbox, server.config()).await,
        Method::POST if is_encoded(&request) => Err(Refused::Encoded),
        Method::POST => polling::post(&link, mailbox, server.config(), request.into_body()).await,
        _ => Err(Refused::BadRequest),
    }
}

/// A compressed body is not read: what it holds would have to be bounded twice (RFC 9110 §8.4).
fn is_encoded(request: &Request<Incoming>) -> bool {
    request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

fn kept<A: Application>(
    server: &Arc<Server<A>>,
    request: &Request<Incoming>,
    remote: SocketAddr,
    transport: Transport,
) -> Kept {
    let query = request.uri().query().unwrap_or_default();
    let client = server.config().client_address.tell(request.headers(), remote);
    Kept::new(request.headers(), query, remote, client, transport)
}

fn open_polling<A: Application>(
    server: &Arc<Server<A>>,
    request: &Request<Incoming>,
    remote: SocketAddr,
) -> Result<Response<Body>, Refused> {
    let link = server.enter(kept(server, request, remote, Transport::Polling))?;
    let open = packet::open(&link.sid, server.config(), Transport::Polling);
    tokio::spawn(Connection::new(server.clone(), link, Carrier::Polling(None)));
    Ok(http::text(open))
}

/// A WebSocket that was answered and is about to be.
struct Upgrade {
    on: hyper::upgrade::OnUpgrade,
    deflate: bool,
}

/// Answers a WebSocket's handshake.
fn accept<A: Application>(
    server: &Arc<Server<A>>,
    mut request: Request<Incoming>,
) -> Result<(Response<Body>, Upgrade), Refused> {
    let accepted = ws::handshake::accept(&request, server.config().compression).map_err(|refused| match refused {
        ws::handshake::Refused::Bad => Refused::BadRequest,
        ws::handshake::Refused::Version => Refused::WebSocketVersion,
    })?;
    let upgrade = Upgrade { on: hyper::upgrade::on(&mut request), deflate: accepted.extension.is_some() };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted.key);
    if let Some(extension) = accepted.extension {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    Ok((response, upgrade))
}

impl Upgrade {
    /// Takes the TCP stream back from hyper, with what it had read beyond the request. `None`: it failed.
    async fn done<A: Application>(self, server: &Server<A>) -> Option<(ws::Incoming, Vec<u8>)> {
        let parts = self.on.await.ok()?.downcast::<TokioIo<Stalling>>().ok()?;
        let deflate = self.deflate.then_some(server.config().compress_from);
        let stream = Arc::new(ws::Stream { tcp: parts.io.into_inner().into_inner(), deflate });
        Some((ws::Incoming::new(stream), parts.read_buf.to_vec()))
    }
}

/// Starts a session on its WebSocket.
async fn open<A: Application>(server: Arc<Server<A>>, link: Arc<Link>, upgrade: Upgrade) {
    let Some((incoming, early)) = upgrade.done(&server).await else {
        server.leave(&link, CloseReason::TransportError);
        server.end(&link);
        return;
    };
    // The queue is empty and takes this; were it not so, the connection would find itself closed.
    let _ = link.push(Frame::text(&packet::open(&link.sid, server.config(), Transport::WebSocket)));
    link.attach(incoming.stream.clone());
    let mut connection = Connection::new(server, link, Carrier::WebSocket(incoming));
    if !early.is_empty() {
        connection.feed(early);
    }
    // In a task of its own: this one's future holds the upgrade too.
    tokio::spawn(connection);
}

/// Changes a polling session over to a WebSocket.
async fn change<A: Application>(server: Arc<Server<A>>, link: Arc<Link>, upgrade: Upgrade) {
    let Some((incoming, mut early)) = upgrade.done(&server).await else { return };
    if let Err(error) = upgrade::run(&link, incoming, &mut early, server.config()).await {
        tracing::debug!(%error, "a session was not upgraded");
    }
}
