//! A gateway with everything else that its port serves.

use std::sync::Arc;

use axum::Router;
use parlor_gateway::{Gateway, Ports};

use super::process::Serving;
use super::{push, slices};
use crate::config::Config;
use crate::{ops, page};

/// The gateway, and the routes beside its sockets. `fanout` is the dependency that `/health/chat` calls redis.
pub(super) fn make(
    config: &Config,
    name: &str,
    ports: Ports,
    serving: &Serving,
    fanout: &'static str,
) -> anyhow::Result<(Arc<Gateway>, Router)> {
    let slice = slices::gateway(config, name, push::gateway(config)?);
    let gateway = Arc::new(Gateway::new(slice, ports));
    let counted = gateway.clone();
    let mut routes = ops::routes(&serving.health, serving.recorder.clone()).merge(ops::chat_route(
        &serving.health,
        fanout,
        move || counted.connections(),
    ));
    if config.http.page {
        routes = routes.merge(page::routes(&slices::file_origins(config)));
    }
    if config.http.docs {
        routes = routes.merge(page::docs());
    }
    Ok((gateway, routes))
}
