//! `genvapid`: the key pair by which browsers' push services know this server (RFC 8292).

use anyhow::{Context, Result};
use parlor_delivery_worker::push::VapidKey;

/// Prints a new pair as settings; the public half is for whoever subscribes without asking the server for it.
pub(super) fn generate() -> Result<()> {
    let key = VapidKey::generate().context("no key can be made")?;
    println!("PARLOR_PUSH__VAPID_KEY={}", key.private());
    println!("# public: {}", key.public());
    eprintln!("keep the key secret, and keep it: with another one, browsers have to subscribe anew");
    Ok(())
}
