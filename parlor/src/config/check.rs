//! Whether a role can run with these settings. What is wrong is said all at once, each with what to do.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use parlor_delivery_worker::push::VapidKey;
use parlor_gateway::files::is_media_type;
use parlor_gateway::vocabularies::Vocabulary;

use super::{Config, DEVELOPMENT_SECRET, Mode};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Holds the clients' connections.
    Gateway,
    /// From the log to Redis.
    DeliveryWorker,
    /// From the log to PostgreSQL.
    Persister,
    /// All three.
    Solo,
    /// Makes topics and tables.
    Migrate,
    /// Takes old months out of PostgreSQL.
    Archive,
    /// Shows what PostgreSQL and Redis know.
    Inspect,
    /// Makes and checks tokens.
    Token,
}

/// Secrets that stand in documents, ours or others': not secret.
const KNOWN_SECRETS: [&str; 4] = [DEVELOPMENT_SECRET, "your-super-secret-jwt-key", "your-jwt-secret", "secret"];

const HOUR: Duration = Duration::from_secs(3600);

/// The shortest secret for HS256 (RFC 7518 §3.2), in bytes.
const SECRET_BYTES: usize = 32;

/// Refuses settings that the role cannot or should not run with.
pub(crate) fn check(config: &Config, role: Role) -> Result<()> {
    let mut wrong = Vec::new();
    if matches!(role, Role::Gateway | Role::Solo | Role::Token) {
        if config.auth.jwks_url.is_empty() {
            secrets(config, &mut wrong);
        }
        issuer(config, &mut wrong);
    }
    if matches!(role, Role::Gateway | Role::Solo) {
        gateway(config, &mut wrong);
    }
    if matches!(role, Role::Gateway | Role::Persister | Role::Solo) {
        files(config, &mut wrong);
    }
    if matches!(role, Role::Gateway | Role::DeliveryWorker | Role::Solo) {
        push(config, &mut wrong);
    }
    match role {
        Role::DeliveryWorker => address("delivery_worker.listen", &config.delivery_worker.listen, &mut wrong),
        Role::Persister => address("persister.listen", &config.persister.listen, &mut wrong),
        _ => {}
    }
    if !matches!(role, Role::Solo | Role::Token) {
        servers(config, &mut wrong);
    }
    match wrong.len() {
        0 => Ok(()),
        1 => bail!("{}", wrong[0]),
        _ => bail!("the settings have {} faults:\n  - {}", wrong.len(), wrong.join("\n  - ")),
    }
}

fn secrets(config: &Config, wrong: &mut Vec<String>) {
    if config.mode == Mode::Development {
        return;
    }
    const HOW: &str = "set PARLOR_AUTH__SECRET to the output of `openssl rand -base64 48`, the same for every gateway";
    const TRY: &str = "to try Parlor out, PARLOR_MODE=development";
    for (name, secret, needed) in
        [("auth.secret", &config.auth.secret, true), ("auth.previous_secret", &config.auth.previous_secret, false)]
    {
        if secret.is_empty() {
            if needed {
                wrong.push(format!("{name} is not set: {HOW}; {TRY}"));
            }
        } else if KNOWN_SECRETS.contains(&secret.reveal()) {
            wrong.push(format!("{name} is one that everybody knows, which production refuses: {HOW}; {TRY}"));
        } else if secret.reveal().len() < SECRET_BYTES {
            wrong.push(format!("{name} has less than {SECRET_BYTES} bytes, which production refuses: {HOW}; {TRY}"));
        }
    }
}

/// The issuer of tokens, and the keys of the team's own back end.
fn issuer(config: &Config, wrong: &mut Vec<String>) {
    let auth = &config.auth;
    match (auth.algorithm.as_str(), auth.jwks_url.as_str()) {
        ("HS256", "") => {}
        ("HS256", _) => {
            wrong.push("auth.jwks_url: an issuer's public keys do not go with HS256: set auth.algorithm".into());
        }
        ("RS256" | "ES256" | "EdDSA", "") => {
            wrong.push(format!("auth.algorithm: {} needs the issuer's keys: set auth.jwks_url", auth.algorithm));
        }
        ("RS256" | "ES256" | "EdDSA", url) => {
            let https = url.starts_with("https://");
            let plain = config.mode == Mode::Development && url.starts_with("http://");
            if !https && !plain {
                wrong.push("auth.jwks_url does not begin with https://".into());
            }
        }
        (other, _) => wrong.push(format!("auth.algorithm: '{other}' is none of HS256, RS256, ES256, EdDSA")),
    }
    let short = |key: &super::values::Secret| key.reveal().len() < SECRET_BYTES;
    if config.mode == Mode::Production && auth.server_keys.iter().any(short) {
        wrong.push(format!("auth.server_keys has one of less than {SECRET_BYTES} bytes, which production refuses"));
    }
    for (name, span) in [("auth.ttl", auth.ttl), ("auth.refresh_ttl", auth.refresh_ttl)] {
        if span.0 < Duration::from_secs(1) {
            wrong.push(format!("{name} is at least 1s"));
        }
    }
}

fn gateway(config: &Config, wrong: &mut Vec<String>) {
    address("gateway.listen", &config.gateway.listen, wrong);
    let vocabulary = &config.gateway.vocabulary;
    if Vocabulary::parse(vocabulary).is_none() {
        let names = Vocabulary::ALL.map(Vocabulary::as_str).join(" or ");
        wrong.push(format!("gateway.vocabulary: '{vocabulary}' is none; it is {names}"));
    }
    for origin in config.http.allowed_origins.iter().filter(|origin| *origin != "*") {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            wrong.push(format!(
                "http.allowed_origins: '{origin}' is not what a browser sends: write scheme and host, such as \
                 https://chat.example.com, without a path or a slash at the end"
            ));
        }
    }
    for proxy in config.http.trusted_proxies.iter().filter(|proxy| proxy.parse::<IpAddr>().is_err()) {
        wrong.push(format!("http.trusted_proxies: '{proxy}' is not an address, such as 10.0.0.7"));
    }
    // Shorter, and it is over before the next start is told; longer, and who has gone still types.
    if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&config.rooms.cafe_typing.0) {
        wrong.push("rooms.cafe_typing is from 1s to 60s".into());
    }
    for (name, zero) in [
        ("gateway.max_connections", config.gateway.max_connections == 0),
        ("gateway.max_connections_per_user", config.gateway.max_connections_per_user == 0),
        ("gateway.ping_interval", config.gateway.ping_interval.0.is_zero()),
        ("gateway.resume_within", config.gateway.resume_within.0 < Duration::from_secs(1)),
        ("gateway.ping_timeout", config.gateway.ping_timeout.0.is_zero()),
        ("rooms.member_limit", config.rooms.member_limit < 2),
        ("content.max_chars", config.content.max_chars == 0),
        ("content.max_cafe_chars", config.content.max_cafe_chars == 0),
    ] {
        if zero {
            wrong.push(format!("{name} is too small"));
        }
    }
}

/// A bucket's object is sent in one request (S3, PutObject).
const LARGEST_FILE: u64 = 5 << 30;

fn files(config: &Config, wrong: &mut Vec<String>) {
    let files = &config.files;
    if !files.folder.is_empty() && !files.bucket.is_empty() {
        wrong.push("files.folder and files.bucket are both set: files are in one or the other".into());
    }
    if !(1..=LARGEST_FILE).contains(&files.max_size) {
        wrong.push(format!("files.max_size is from 1 to {LARGEST_FILE} bytes"));
    }
    for name in files.types.iter().filter(|name| !is_media_type(name)) {
        wrong.push(format!("files.types: '{name}' is no media type in lower case, such as image/png"));
    }
    for (name, url) in [
        ("files.endpoint", &files.endpoint),
        ("files.public_endpoint", &files.public_endpoint),
        ("files.public_url", &files.public_url),
    ] {
        if !url.is_empty() && !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            wrong.push(format!("{name}: '{url}' does not begin with https:// or http://"));
        }
    }
    if files.access_key.is_empty() != files.secret_key.is_empty() {
        wrong.push("files.access_key and files.secret_key go together".into());
    }
    if files.orphan_age.0 < Duration::from_secs(1) {
        wrong.push("files.orphan_age is at least 1s".into());
    }
}

fn push(config: &Config, wrong: &mut Vec<String>) {
    let push = &config.push;
    if !push.vapid_key.is_empty() {
        if VapidKey::parse(push.vapid_key.reveal()).is_err() {
            wrong.push("push.vapid_key is none: `parlor genvapid` makes one".into());
        }
        if !push.vapid_subject.starts_with("mailto:") && !push.vapid_subject.starts_with("https://") {
            wrong.push("push.vapid_subject does not begin with mailto: or https://: push services want to know".into());
        }
    }
    if !push.apns_key.is_empty() {
        for (name, value) in [
            ("push.apns_key_id", &push.apns_key_id),
            ("push.apns_team", &push.apns_team),
            ("push.apns_topic", &push.apns_topic),
        ] {
            if value.is_empty() {
                wrong.push(format!("{name} is empty, which push.apns_key needs"));
            }
        }
    }
    if push.private_endpoints && config.mode == Mode::Production {
        wrong.push("push.private_endpoints would let clients reach the private network: production refuses it".into());
    }
    if push.concurrency == 0 {
        wrong.push("push.concurrency is too small".into());
    }
}

fn servers(config: &Config, wrong: &mut Vec<String>) {
    if config.kafka.brokers.is_empty() {
        wrong.push("kafka.brokers is empty: name at least one, such as kafka:9092".into());
    }
    for (name, fits) in [
        ("kafka.generation is from 1 to 255", config.kafka.generation >= 1),
        // The upper bound of what a group and a gateway's head queries are made for.
        ("kafka.partitions is from 1 to 1024", (1..=1024).contains(&config.kafka.partitions)),
        ("kafka.replication is at least 1", config.kafka.replication >= 1),
        ("kafka.retention is at least 1h", config.kafka.retention.0 >= HOUR),
        ("kafka.delivery_timeout is at least 1s", config.kafka.delivery_timeout.0 >= Duration::from_secs(1)),
        ("redis.pool is at least 1", config.redis.pool >= 1),
        ("postgres.pool is from 1 to 20", (1..=20).contains(&config.postgres.pool)),
        ("persister.batch is at least 1", config.persister.batch >= 1),
    ] {
        if !fits {
            wrong.push(name.into());
        }
    }
    for (name, url, schemes) in [
        (
            "redis.url",
            &config.redis.url,
            &["redis", "rediss", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"][..],
        ),
        ("postgres.url", &config.postgres.url, &["postgres", "postgresql"][..]),
        ("postgres.read_url", &config.postgres.read_url, &["postgres", "postgresql"][..]),
    ] {
        if name == "postgres.read_url" && url.reveal().is_empty() {
            continue;
        }
        let scheme = url.reveal().split_once("://").map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
            wrong.push(format!("{name} does not begin with {}://", schemes.join(":// or ")));
        }
    }
}

fn address(name: &str, address: &str, wrong: &mut Vec<String>) {
    if address.parse::<SocketAddr>().is_err() {
        wrong.push(format!("{name}: '{address}' is no address and port, such as 127.0.0.1:3000 or 0.0.0.0:3000"));
    }
}
