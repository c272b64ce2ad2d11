//! Each component's slice of the settings, in the form in which it takes it.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Uri;
use parlor_gateway::vocabularies::{Rules, Vocabulary};

use crate::config::{Config, Mode, Span};

/// A process's name: the one configured, else the host's, of which there is one.
pub(super) fn name(configured: &str) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let given = Some(configured.to_owned()).filter(|name| !name.is_empty());
    given.or_else(host).map_or_else(|| "parlor".into(), |name| name.trim().to_lowercase())
}

/// Who may come in: the gateways' part, and the token tools'.
pub(crate) fn auth(config: &Config) -> parlor_gateway::Auth {
    let previous = config.auth.previous_secret.reveal();
    parlor_gateway::Auth {
        secret: config.secret().to_owned(),
        previous_secret: Some(previous.to_owned()).filter(|secret| !secret.is_empty()),
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        algorithm: match config.auth.algorithm.as_str() {
            "RS256" => parlor_gateway::Algorithm::Rs256,
            "ES256" => parlor_gateway::Algorithm::Es256,
            "EdDSA" => parlor_gateway::Algorithm::EdDsa,
            _ => parlor_gateway::Algorithm::Hs256,
        },
        jwks_url: Some(config.auth.jwks_url.clone()).filter(|url| !url.is_empty()),
        ttl: config.auth.ttl.0,
        refresh_ttl: config.auth.refresh_ttl.0,
        registration: config.auth.registration,
        insecure_cookies: config.mode == Mode::Development,
        server_keys: config.auth.server_keys.iter().map(|key| key.reveal().to_owned()).collect(),
        guests: config.auth.guests,
        patience: Duration::from_secs(10),
        grace: Duration::from_secs(60),
    }
}

pub(super) fn gateway(config: &Config, name: &str, push: parlor_gateway::Push) -> parlor_gateway::Config {
    let origins = &config.http.allowed_origins;
    parlor_gateway::Config {
        name: name.to_owned(),
        auth: auth(config),
        rooms: parlor_gateway::Rooms {
            create_on_join: config.rooms.create_on_join,
            guests_create: config.rooms.guests_create,
            member_limit: config.rooms.member_limit,
            big: config.rooms.big_room,
            connections_per_room: config.rooms.connections_per_room,
            cafe_typing: config.rooms.cafe_typing.0,
            ..parlor_gateway::Rooms::default()
        },
        push,
        limits: parlor_gateway::LimitSet {
            message: config.limits.message.0,
            room_create: config.limits.room_create.0,
            typing: config.limits.typing.0,
            join: config.limits.join.0,
            room_change: config.limits.room_change.0,
            history: config.limits.history.0,
            event: config.limits.event.0,
            file: config.limits.file.0,
            login: config.limits.login.0,
            register: config.limits.register.0,
            push: config.limits.push.0,
            keys: config.limits.keys.0,
            key_claim: config.limits.key_claim.0,
            spam: Some(config.limits.spam.0).filter(|window| !window.is_zero()),
        },
        rules: Rules {
            max_content_chars: config.content.max_chars,
            max_cafe_chars: config.content.max_cafe_chars,
            default_page: config.history.page.clamp(1, Rules::default().max_page),
            ..Rules::default()
        },
        files: parlor_gateway::files::Rules {
            max_size: config.files.max_size,
            types: config.files.types.clone(),
            public_url: config.files.public_url.clone(),
        },
        vocabulary: Vocabulary::parse(&config.gateway.vocabulary).unwrap_or(Vocabulary::Dotted),
        allowed_origins: (!origins.iter().any(|origin| origin == "*")).then(|| origins.clone()),
        trusted_proxies: config.http.trusted_proxies.iter().filter_map(|proxy| proxy.parse::<IpAddr>().ok()).collect(),
        max_connections: config.gateway.max_connections,
        max_connections_per_address: Some(config.gateway.max_connections_per_address).filter(|limit| *limit > 0),
        max_connections_per_user: config.gateway.max_connections_per_user,
        ping_interval: config.gateway.ping_interval.0,
        ping_timeout: config.gateway.ping_timeout.0,
        resume_within: config.gateway.resume_within.0,
        drain_per_second: config.gateway.drain_per_second,
        // Twice this, for sockets and for the log's queue, is within the 30 s that a process has.
        drain_deadline: Duration::from_secs(12),
    }
}

pub(super) fn kafka(config: &Config, client: &str) -> parlor_log::kafka::Config {
    let kafka = &config.kafka;
    parlor_log::kafka::Config {
        brokers: kafka.brokers.join(","),
        topic_prefix: kafka.topic_prefix.clone(),
        generation: kafka.generation,
        partitions: kafka.partitions,
        replication: kafka.replication,
        retention_hours: u32::try_from(kafka.retention.0.as_secs() / 3600).unwrap_or(u32::MAX),
        client: client.to_owned(),
        linger_ms: millis(kafka.linger),
        delivery_timeout_ms: millis(kafka.delivery_timeout),
        ..parlor_log::kafka::Config::default()
    }
}

/// The log of receipts: as that of events, under a name beside it.
pub(super) fn receipts(config: &Config, client: &str) -> parlor_log::kafka::Config {
    let events = kafka(config, client);
    let family = events.topic_prefix.strip_suffix(".events").unwrap_or(&events.topic_prefix);
    parlor_log::kafka::Config { topic_prefix: format!("{family}.receipts"), ..events }
}

pub(super) fn redis(config: &Config) -> parlor_fanout::redis::Config {
    parlor_fanout::redis::Config {
        url: config.redis.url.reveal().to_owned(),
        prefix: config.redis.prefix.clone(),
        // Redis holds places in this very log.
        generation: config.kafka.generation,
        partitions: config.kafka.partitions,
        pool: config.redis.pool,
        recent: config.history.cache,
        ..parlor_fanout::redis::Config::default()
    }
}

pub(super) fn postgres(config: &Config) -> parlor_store::postgres::Config {
    parlor_store::postgres::Config {
        url: config.postgres.url.reveal().to_owned(),
        read_url: config.postgres.read_url.reveal().to_owned(),
        max_connections: config.postgres.pool,
        slow_statement_ms: u64::from(millis(config.log.slow_query)),
        statement_timeout_ms: u64::from(millis(config.postgres.statement_timeout)),
        ..parlor_store::postgres::Config::default()
    }
}

pub(super) fn delivery_worker(config: &Config, name: &str) -> parlor_delivery_worker::Config {
    parlor_delivery_worker::Config {
        instance: name.to_owned(),
        claim_seconds: millis(config.delivery_worker.replay) / 1000,
        ..parlor_delivery_worker::Config::default()
    }
}

pub(super) fn push(config: &Config, name: &str) -> parlor_delivery_worker::push::Config {
    parlor_delivery_worker::push::Config {
        instance: name.to_owned(),
        delay: config.push.delay.0,
        ttl: config.push.ttl.0,
        big_room: config.rooms.big_room,
        concurrency: config.push.concurrency,
        pause: config.push.retry.0,
        ..parlor_delivery_worker::push::Config::default()
    }
}

pub(super) fn memory(config: &Config) -> parlor_fanout::memory::MemoryConfig {
    parlor_fanout::memory::MemoryConfig { recent: config.history.cache, ..Default::default() }
}

pub(super) fn topics(config: &Config, name: &str) -> parlor_delivery_worker::TopicsConfig {
    let topics = &config.topics;
    parlor_delivery_worker::TopicsConfig {
        shortest: topics.min_word_length,
        keep: parlor_core::ports::topics::Keep { words: topics.max_topics.max(1), lives: topics.expiry.0 },
        ..parlor_delivery_worker::TopicsConfig::new(name)
    }
}

pub(super) fn persister(config: &Config, name: &str) -> parlor_persister::Config {
    parlor_persister::Config {
        instance: name.to_owned(),
        batch_records: config.persister.batch,
        linger_ms: u64::from(millis(config.persister.linger)),
        orphan_age_s: config.files.orphan_age.0.as_secs(),
        ..parlor_persister::Config::default()
    }
}

pub(super) fn bucket(config: &Config) -> parlor_blobs::Config {
    let files = &config.files;
    let set = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    parlor_blobs::Config {
        bucket: files.bucket.clone(),
        region: files.region.clone(),
        endpoint: set(&files.endpoint),
        public_endpoint: set(&files.public_endpoint),
        credentials: set(&files.access_key).map(|id| (id, files.secret_key.reveal().to_owned())),
    }
}

/// Where browsers send files to and get them from, beside the server of the page itself: origins, as a page's policy
/// names them.
pub(super) fn file_origins(config: &Config) -> Vec<String> {
    let files = &config.files;
    let bucket = if files.bucket.is_empty() {
        String::new()
    } else {
        let own = [&files.public_endpoint, &files.endpoint].into_iter().find(|endpoint| !endpoint.is_empty());
        own.cloned().unwrap_or_else(|| format!("https://{}.s3.{}.amazonaws.com", files.bucket, files.region))
    };
    let origin = |address: &String| {
        let address: Uri = address.parse().ok()?;
        Some(format!("{}://{}", address.scheme_str()?, address.authority()?.as_str().rsplit('@').next()?))
    };
    [&files.public_url, &bucket].into_iter().filter_map(origin).collect()
}

fn millis(span: Span) -> u32 {
    u32::try_from(span.0.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_numbers_of_partitions_and_connections_hold_where_nothing_is_set() {
        let config = Config::default();
        assert_eq!((kafka(&config, "c").partitions, receipts(&config, "c").partitions), (10, 10));
        assert_eq!(redis(&config).pool, 10);
        let postgres = postgres(&config);
        assert_eq!(
            (postgres.max_connections, postgres.idle_timeout_ms, postgres.acquire_timeout_ms),
            (10, 30_000, 3_000)
        );
        assert_eq!(postgres.read_url, "", "no replica");
        let mut config = config;
        config.kafka.partitions = 32;
        config.redis.pool = 4;
        config.postgres.pool = 20;
        assert_eq!((kafka(&config, "c").partitions, redis(&config).pool), (32, 4));
        assert_eq!(super::postgres(&config).max_connections, 20);
    }

    #[test]
    fn a_page_may_use_the_origins_of_its_files_and_no_others() {
        let origins = |set: fn(&mut Config)| {
            let mut config = Config::default();
            set(&mut config);
            file_origins(&config)
        };
        assert_eq!(origins(|_| ()), [""; 0]);
        assert_eq!(origins(|config| config.files.bucket = "b".into()), ["https://b.s3.us-east-1.amazonaws.com"]);
        let own = |config: &mut Config| {
            config.files.bucket = "b".into();
            config.files.endpoint = "http://minio:9000".into();
            config.files.public_endpoint = "https://user@files.example:9443/path; script-src *".into();
            config.files.public_url = "https://cdn.example/".into();
        };
        assert_eq!(origins(own), ["https://cdn.example"]);
        let plain = |config: &mut Config| {
            config.files.bucket = "b".into();
            config.files.endpoint = "http://minio:9000/".into();
        };
        assert_eq!(origins(plain), ["http://minio:9000"]);
    }
}
