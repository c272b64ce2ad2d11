//! The names of environment variables that the requirements documents use, beside Parlor's own. A `PARLOR_` variable
//! for the same setting wins.

use std::collections::BTreeMap;

use super::layers::{Leaf, Raw};

/// Variables of the documents, each with the setting that it gives.
pub(crate) const ALIASES: [(&str, &str); 18] = [
    ("DATABASE_URL", "postgres.url"),
    ("REDIS_HOST", "redis.url"),
    ("REDIS_PORT", "redis.url"),
    ("REDIS_PASSWORD", "redis.url"),
    ("REDIS_DB", "redis.url"),
    ("JWT_SECRET", "auth.secret"),
    ("JWT_EXPIRATION", "auth.ttl"),
    ("SOCKET_PORT", "gateway.listen"),
    ("ALLOWED_ORIGINS", "http.allowed_origins"),
    ("CHAT_MESSAGE_MAX_LENGTH", "content.max_cafe_chars"),
    ("MAX_FILE_SIZE", "files.max_size"),
    ("UPLOAD_BUCKET", "files.bucket"),
    ("CHAT_HISTORY_LIMIT", "history.page"),
    ("CHAT_CACHE_SIZE", "history.cache"),
    ("CHAT_TYPING_TIMEOUT", "rooms.cafe_typing"),
    ("TOPIC_MIN_WORD_LENGTH", "topics.min_word_length"),
    ("TOPIC_MAX_TOPICS", "topics.max_topics"),
    ("TOPIC_EXPIRY_SECONDS", "topics.expiry"),
];

/// What the documents' variables say. `host` is what a gateway listens on where nothing names an address.
pub(crate) fn leaves(env: &BTreeMap<String, String>, host: &str) -> Vec<Leaf> {
    // Kubernetes and Docker links put `tcp://10.0.0.1:6379` into REDIS_PORT when a service is called redis.
    let get = |name: &str| env.get(name).map(|v| v.trim()).filter(|v| !v.is_empty() && !v.starts_with("tcp://"));
    let mut leaves = Vec::new();
    for (name, key) in ALIASES {
        let Some(value) = get(name) else { continue };
        let value = match name {
            "SOCKET_PORT" => format!("{host}:{value}"),
            "TOPIC_EXPIRY_SECONDS" => format!("{value}s"),
            "CHAT_TYPING_TIMEOUT" => format!("{value}ms"),
            _ if key == "redis.url" => continue,
            _ => value.to_owned(),
        };
        leaves.push(Leaf { key: key.into(), value: Raw::Text(value), origin: name.into() });
    }
    let redis: Vec<_> = ALIASES.iter().filter(|(name, key)| *key == "redis.url" && get(name).is_some()).collect();
    if !redis.is_empty() {
        let password = get("REDIS_PASSWORD").map(|word| format!(":{}@", encoded(word))).unwrap_or_default();
        let (host, port) = (get("REDIS_HOST").unwrap_or("localhost"), get("REDIS_PORT").unwrap_or("6379"));
        let url = format!("redis://{password}{host}:{port}/{}", get("REDIS_DB").unwrap_or("0"));
        let origin = redis.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        leaves.push(Leaf { key: "redis.url".into(), value: Raw::Text(url), origin });
    }
    leaves
}

/// Percent-encodes a password for a URL (RFC 3986 §2.1).
fn encoded(word: &str) -> String {
    word.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
