//! How readiness asks each port.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parlor_core::consume;
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::Blobs;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::log::Log;
use parlor_core::ports::store::Store;
use parlor_store::postgres::Postgres;

/// One answer to come.
type Check = BoxFuture<'static, Result<(), Unavailable>>;

pub(super) fn check_log(log: &Arc<dyn Log>) -> impl Fn() -> Check + Send + Sync + 'static {
    let log = log.clone();
    move || {
        let log = log.clone();
        Box::pin(async move { log.check().await })
    }
}

pub(super) fn check_fanout<F: Fanout>(fanout: &Arc<F>) -> impl Fn() -> Check + Send + Sync + 'static {
    let fanout = fanout.clone();
    move || {
        let fanout = fanout.clone();
        Box::pin(async move { fanout.check().await })
    }
}

pub(super) fn check_store(store: &Arc<dyn Store>) -> impl Fn() -> Check + Send + Sync + 'static {
    let store = store.clone();
    move || {
        let store = store.clone();
        Box::pin(async move { store.check().await })
    }
}

pub(super) fn check_replica(store: &Arc<Postgres>) -> impl Fn() -> Check + Send + Sync + 'static {
    let store = store.clone();
    move || {
        let store = store.clone();
        Box::pin(async move { store.check_replica() })
    }
}

pub(super) fn check_blobs(blobs: &Arc<dyn Blobs>) -> impl Fn() -> Check + Send + Sync + 'static {
    let blobs = blobs.clone();
    move || {
        let blobs = blobs.clone();
        Box::pin(async move { blobs.check().await })
    }
}

pub(super) fn check_consumer(health: &consume::Health) -> impl Fn() -> Check + Send + Sync + 'static {
    let health = health.clone();
    move || {
        let report = health.report();
        let why = report.why.unwrap_or_else(|| "not ready".into());
        let answer = if report.ready { Ok(()) } else { Err(Unavailable::new("consumer", why)) };
        Box::pin(std::future::ready(answer))
    }
}
