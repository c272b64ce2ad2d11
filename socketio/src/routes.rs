//! Which request is what: Engine.IO's checks in the reference server's order (engine.io, `Server.verify`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::connection::{Carrier, Connection};
use crate::engine::http::{self, Refused};
use crate::engine::{packet, polling};
use crate::handshake::Kept;
use crate::link::Link;
use crate::ws::{self, Wire};
use crate::{Application, CloseReason, Frame, Server, Transport};

pub(crate) async fn answer<A: Application>(
    server: &Arc<Server<A>>,
    mut request: Request<Incoming>,
    remote: SocketAddr,
    mut rest: axum::Router,
) -> Response<Body> {
    let path = request.uri().path();
    let ours = &server.config().path;
    if path != ours && Some(path) != ours.strip_suffix('/') {
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
        // An upgrade of a polling session: none was offered. It will be taken on here.
        (Transport::WebSocket, Some(sid)) => {
            server.find(sid).ok_or(Refused::UnknownSid)?;
            Err(Refused::BadRequest)
        }
        (Transport::WebSocket, None) => {
            if request.method() != Method::GET {
                return Err(Refused::BadMethod);
            }
            websocket(server, request, remote, &query)
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
        Method::POST => polling::post(&link, mailbox, server.config(), request.into_body()).await,
        _ => Err(Refused::BadRequest),
    }
}

fn enter<A: Application>(
    server: &Arc<Server<A>>,
    request: &Request<Incoming>,
    remote: SocketAddr,
    transport: Transport,
) -> Result<Arc<Link>, Refused> {
    let query = request.uri().query().unwrap_or_default();
    let client = server.config().client_address.tell(request.headers(), remote);
    server.enter(Kept::new(request.headers(), query, remote, client, transport))
}

fn open_polling<A: Application>(
    server: &Arc<Server<A>>,
    request: &Request<Incoming>,
    remote: SocketAddr,
) -> Result<Response<Body>, Refused> {
    let link = enter(server, request, remote, Transport::Polling)?;
    let open = packet::open(&link.sid, server.config());
    tokio::spawn(Connection::new(server.clone(), link, Carrier::Polling(None)));
    Ok(http::text(open))
}

fn websocket<A: Application>(
    server: &Arc<Server<A>>,
    mut request: Request<Incoming>,
    remote: SocketAddr,
    query: &Query,
) -> Result<Response<Body>, Refused> {
    let accept = ws::handshake::accept(&request).map_err(|refused| match refused {
        ws::handshake::Refused::Bad => Refused::BadRequest,
        ws::handshake::Refused::Version => Refused::WebSocketVersion,
    })?;
    version(query)?;
    let link = enter(server, &request, remote, Transport::WebSocket)?;
    let upgrade = hyper::upgrade::on(&mut request);
    // Its failure ends this connection alone. Spawned, so that hyper's own state is freed.
    tokio::spawn(upgraded(server.clone(), link, upgrade));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// Takes the TCP stream back from hyper and starts the connection on it.
async fn upgraded<A: Application>(server: Arc<Server<A>>, link: Arc<Link>, upgrade: hyper::upgrade::OnUpgrade) {
    let parts = upgrade.await.map(|u| u.downcast::<TokioIo<TcpStream>>());
    let Ok(Ok(parts)) = parts else {
        server.leave(&link, CloseReason::TransportError);
        return;
    };
    // The queue is empty and takes this; were it not so, the connection would find itself closed.
    let _ = link.push(Frame::text(&packet::open(&link.sid, server.config())));
    let mut connection = Connection::new(server, link, Carrier::WebSocket(Wire::new(parts.io.into_inner())));
    if !parts.read_buf.is_empty() {
        connection.feed(&parts.read_buf);
    }
    // In a task of its own: this one's future holds the upgrade too.
    tokio::spawn(connection);
}
