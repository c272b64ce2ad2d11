//! Where a request comes from, and how often it may try.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use parlor_core::error::{ChatError, Limit};
use parlor_core::ids::UserId;

use crate::Shared;
use crate::config::client_address;

/// A client's address, as its proxies say where they are trusted.
pub(crate) struct Address(pub(crate) IpAddr);

impl FromRequestParts<Arc<Shared>> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let peer = peer.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
        Ok(Self(client_address(&shared.config.trusted_proxies, &parts.headers, peer)))
    }
}

impl Address {
    /// Counts one try of a tier from here, `times` as many being allowed as its limit says. Of an IPv6 address the
    /// first 64 bits count: the rest is its owner's to choose.
    pub(crate) async fn pass(
        &self,
        shared: &Shared,
        tier: &str,
        limit: Option<Limit>,
        times: u32,
    ) -> Result<(), ChatError> {
        let place = match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("{:x}", address.to_bits() >> 64),
        };
        let limit = limit.map(|limit| Limit { limit: limit.limit.saturating_mul(times), ..limit });
        shared.limiter.pass(&UserId::trusted(format!("address {place}")), tier, limit).await
    }
}
