//! Sockets whose token expires are told so, and closed when no new one comes.

use std::sync::Arc;
use std::time::Duration;

use parlor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::vocabularies::News;

const LOOK: Duration = Duration::from_secs(5);

/// Looks at all clients every 5 s. Ends with `stop`; it has no way to fail.
pub(crate) async fn expire(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let now = Timestamp::now();
        let grace = i64::try_from(shared.config.auth.grace.as_millis()).unwrap_or(i64::MAX);
        for client in shared.clients.all() {
            let Some(expires) = client.expires() else { continue };
            if now >= expires.plus_millis(grace) {
                client.put_out("token expired");
            } else if now >= expires && client.expiry_told() {
                client.tell(&News::TokenExpired);
            }
        }
    }
}
