//! How push services are reached: over TLS, without redirects and proxies, and where a client has named the host, only
//! on the public internet.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use parlor_core::address::is_public;
use parlor_core::ports::push::PushError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, redirect};

use super::Fault;

/// The longest that a try takes.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer, no more than this is read.
const ANSWER_BYTES: usize = 16 * 1024;
/// A service that wants to be left alone for longer is asked again after this all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A client for services that the operator names.
pub(super) fn client() -> ClientBuilder {
    // The process may have chosen one already: then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT / 2)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(16)
        .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
}

/// A client for hosts that clients name: names that lead elsewhere than to the public internet are not followed. An
/// address in place of a name is the caller's to check.
pub(super) fn public_client() -> ClientBuilder {
    client().dns_resolver(PublicOnly)
}

pub(super) fn build(builder: ClientBuilder) -> Result<Client, Fault> {
    builder.build().map_err(|error| Fault(format!("HTTPS cannot be used (are there CA certificates?): {error:?}")))
}

/// Looks a name up as the system does, and drops what is not public. The connection goes to the very addresses that
/// were checked, so a name that changes between two look-ups gains nothing.
#[derive(Clone, Copy)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other("the name leads nowhere on the public internet").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// What a service said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Its beginning.
    pub(super) body: Vec<u8>,
}

/// Sends, and reads the beginning of the answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, PushError> {
    let mut response = request.send().await.map_err(failed)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let room = ANSWER_BYTES.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= ANSWER_BYTES {
            break;
        }
    }
    Ok(Answer { status, headers, body })
}

/// Without the URL, which is a capability.
fn failed(error: reqwest::Error) -> PushError {
    PushError::Retry { after: None, reason: format!("{:?}", error.without_url()) }
}

impl Answer {
    /// Too many, or a fault of the service: worth another try. `None`: something else.
    pub(super) fn retry(&self) -> Option<PushError> {
        let busy = self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error();
        busy.then(|| PushError::Retry {
            after: self.retry_after(),
            reason: format!("the service says {}", self.status),
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        // Its other form, a date, is left to our own pauses.
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
    }

    /// For logs: services say in the body what is wrong.
    pub(super) fn refusal(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        format!("the service says {} {text}", self.status)
    }
}
