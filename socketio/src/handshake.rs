//! The HTTP request that opened a transport, kept small.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket from the start.
    WebSocket,
    /// HTTP long-polling.
    Polling,
}

/// The HTTP request that opened a transport.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// Its headers, without those of the connection itself (`Connection`, `Upgrade`, `Sec-WebSocket-*`).
    pub headers: HeaderMap,
    /// Its query string.
    pub query: String,
    /// The TCP peer.
    pub remote: SocketAddr,
    /// The client's address, as [`Config::client_address`](crate::Config::client_address) told it.
    pub client: IpAddr,
    /// How the client came in.
    pub transport: Transport,
}

/// A handshake as an idle connection keeps it: one allocation of the size of its text. (A `HeaderMap` takes kilobytes
/// and holds on to the whole buffer that the request was read into.)
#[derive(Debug)]
pub(crate) struct Kept {
    text: Box<[u8]>,
    pub(crate) remote: SocketAddr,
    pub(crate) client: IpAddr,
    pub(crate) transport: Transport,
}

impl Kept {
    pub(crate) fn new(
        headers: &HeaderMap,
        query: &str,
        remote: SocketAddr,
        client: IpAddr,
        transport: Transport,
    ) -> Self {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(query.as_bytes());
        text.push(b'\n');
        for (name, value) in headers {
            let n = name.as_str();
            if n.starts_with("sec-websocket-") || n == "connection" || n == "upgrade" {
                continue;
            }
            text.extend_from_slice(n.as_bytes());
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
        Self { text: text.into_boxed_slice(), remote, client, transport }
    }

    pub(crate) fn restore(&self) -> Handshake {
        // Neither a query nor a header value can hold a line feed: hyper refuses both.
        let mut lines = self.text.split(|b| *b == b'\n');
        let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let mut headers = HeaderMap::new();
        for line in lines {
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(&line[colon + 1..]);
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        Handshake { headers, query, remote: self.remote, client: self.client, transport: self.transport }
    }
}

/// 120 random bits as 20 URL-safe characters.
pub(crate) fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

/// `<name>.<20 random characters>`. Every character is one that `encodeURIComponent` leaves alone, so the sid stands
/// in URLs as it is and a load balancer can read the name: `[?&]sid=([a-z0-9-]+)\.`.
pub(crate) fn new_sid(name: &str) -> String {
    format!("{name}.{}", random_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_handshake_comes_back_whole() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=b: c"));
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4"));
        headers.append("x-forwarded-for", HeaderValue::from_static("5.6.7.8"));
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        headers.append("sec-websocket-key", HeaderValue::from_static("gone"));
        let remote: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let back = Kept::new(&headers, "EIO=4&a=%20", remote, remote.ip(), Transport::Polling).restore();
        headers.remove("sec-websocket-key");
        assert_eq!(back.headers, headers);
        assert_eq!(back.query, "EIO=4&a=%20");
    }

    #[test]
    fn a_sid_begins_with_the_gateways_name() {
        let sid = new_sid("gateway-1");
        let (name, random) = sid.split_once('.').unwrap();
        assert_eq!((name, random.len()), ("gateway-1", 20));
        assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}
