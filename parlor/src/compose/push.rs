//! Push, as far as it is set up.

use std::sync::Arc;

use anyhow::{Context, Result};
use parlor_core::consume;
use parlor_core::ports::push::PushProvider;
use parlor_delivery_worker::push::{self, Apns, ApnsConfig, Fcm, FcmConfig, Providers, VapidKey, WebConfig, WebPush};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// The services that the settings name; reads the key files.
pub(super) fn providers(config: &Config) -> Result<Providers> {
    let push = &config.push;
    let web = vapid_key(config)?.map(|key| {
        let (subject, private_endpoints) = (push.vapid_subject.clone(), push.private_endpoints);
        WebPush::new(&WebConfig { key, subject, private_endpoints }).context("push.vapid_key, push.vapid_subject")
    });
    let fcm = (!push.fcm_service_account.is_empty()).then(|| {
        let service_account = read("push.fcm_service_account", &push.fcm_service_account)?;
        Fcm::new(&FcmConfig { service_account, endpoint: push.fcm_endpoint.clone() })
            .context("push.fcm_service_account")
    });
    let apns = (!push.apns_key.is_empty()).then(|| {
        let config = ApnsConfig {
            key: read("push.apns_key", &push.apns_key)?,
            key_id: push.apns_key_id.clone(),
            team: push.apns_team.clone(),
            topic: push.apns_topic.clone(),
            endpoint: push.apns_endpoint.clone(),
        };
        Apns::new(&config).context("push.apns_key")
    });
    Ok(Providers { web: shared(web)?, fcm: shared(fcm)?, apns: shared(apns)? })
}

fn shared<P: PushProvider>(provider: Option<Result<P>>) -> Result<Option<Arc<dyn PushProvider>>> {
    Ok(provider.transpose()?.map(|provider| Arc::new(provider) as Arc<dyn PushProvider>))
}

fn read(setting: &str, path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{setting}: {path} cannot be read"))
}

fn vapid_key(config: &Config) -> Result<Option<VapidKey>> {
    let key = config.push.vapid_key.reveal();
    (!key.is_empty()).then(|| VapidKey::parse(key).context("push.vapid_key")).transpose()
}

/// What gateways take subscriptions for.
pub(super) fn gateway(config: &Config) -> Result<parlor_gateway::Push> {
    Ok(parlor_gateway::Push {
        web_key: vapid_key(config)?.map(|key| key.public().to_owned()),
        fcm: !config.push.fcm_service_account.is_empty(),
        apns: !config.push.apns_key.is_empty(),
        private_endpoints: config.push.private_endpoints,
    })
}

/// Pushes until `shutdown`; where no service is set up there is nothing to do but wait for that.
pub(super) async fn run(
    config: push::Config,
    ports: Option<push::Ports>,
    health: consume::Health,
    shutdown: CancellationToken,
) -> Result<(), consume::Fatal> {
    match ports {
        Some(ports) => push::run(config, ports, health, shutdown).await,
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    }
}
