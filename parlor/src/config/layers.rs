//! Where settings come from: defaults, then a file, then the documents' variables, then `PARLOR_` variables, then
//! `--set`, then a command's own options. What comes later wins; what nobody knows is an error.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use toml::{Table, Value};

use super::settings::Config;
use super::values::{Mode, Preset};
use super::{aliases, nearest};

const PREFIX: &str = "PARLOR_";

/// `PARLOR_` variables that are no settings: where the settings are, and what steers the scripts and tests around.
const NOT_SETTINGS: [&str; 4] = ["PARLOR_CONFIG", "PARLOR_BIN", "PARLOR_TEST_", "PARLOR_CLUSTER_"];

/// Everything that may say something about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// The mode where nothing names one.
    pub(crate) mode: Mode,
    /// A TOML file: its name for messages, and what is in it.
    pub(crate) file: Option<(String, String)>,
    /// The environment.
    pub(crate) env: BTreeMap<String, String>,
    /// `key=value` each.
    pub(crate) sets: Vec<String>,
    /// A command's own options: key, value, the option's name.
    pub(crate) options: Vec<(&'static str, String, &'static str)>,
}

/// One setting as somebody gave it.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Such as `auth.secret`.
    pub(crate) key: String,
    /// What it is to be.
    pub(crate) value: Raw,
    /// Who says so, for messages.
    pub(crate) origin: String,
}

/// A value as it was given.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    /// With a type.
    Typed(Value),
    /// As text: the setting decides what it is.
    Text(String),
}

/// Every setting's name with its default, as TOML has it.
pub(crate) fn known() -> BTreeMap<String, Value> {
    let mut known = BTreeMap::new();
    for (section, value) in table(&Config::default()) {
        match value {
            Value::Table(settings) => {
                known.extend(settings.into_iter().map(|(name, value)| (format!("{section}.{name}"), value)));
            }
            value => _ = known.insert(section, value),
        }
    }
    known
}

fn table(config: &Config) -> Table {
    Table::try_from(config).expect("settings are tables of texts, numbers and lists, which TOML has")
}

/// Puts all layers together. What is missing for a role is not decided here (see `super::check`).
pub(crate) fn load(inputs: &Inputs) -> Result<Config> {
    let known = known();
    let mut leaves = Vec::new();
    if let Some((name, text)) = &inputs.file {
        leaves.extend(file_leaves(name, text)?);
    }
    let own = environment_leaves(&inputs.env);
    let mut last = Vec::new();
    for set in &inputs.sets {
        let (key, value) = set.split_once('=').with_context(|| {
            format!("--set {set}: it takes a setting and its value, such as --set limits.message=off")
        })?;
        let origin = format!("--set {key}");
        last.push(Leaf { key: key.trim().into(), value: Raw::Text(value.into()), origin });
    }
    for (key, value, option) in &inputs.options {
        last.push(Leaf { key: (*key).into(), value: Raw::Text(value.clone()), origin: (*option).into() });
    }

    // Two settings decide what the others' defaults are, so they are looked for first.
    let decided = |key: &str| {
        let said = [&leaves, &own, &last].into_iter().flatten().rfind(|leaf| leaf.key == key)?;
        Some(match &said.value {
            Raw::Text(text) => text.clone(),
            Raw::Typed(value) => value.as_str().unwrap_or_default().to_owned(),
        })
    };
    // A wrong one is reported with its origin below.
    let mode: Mode = decided("mode").and_then(|text| text.parse().ok()).unwrap_or(inputs.mode);
    let preset: Preset = decided("limits.preset").and_then(|text| text.parse().ok()).unwrap_or_default();

    let base = Config::defaults(mode, preset);
    let host = base.gateway.listen.rsplit_once(':').map_or("0.0.0.0", |(host, _)| host).to_owned();
    let mut settings = table(&base);
    for leaf in leaves.into_iter().chain(aliases::leaves(&inputs.env, &host)).chain(own).chain(last) {
        let value = checked(&leaf, &known)?;
        put(&mut settings, &leaf.key, value);
    }
    Ok(Config::deserialize(settings)?)
}

fn file_leaves(name: &str, text: &str) -> Result<Vec<Leaf>> {
    let parsed: Table = text.parse().with_context(|| format!("{name} is not TOML"))?;
    let mut leaves = Vec::new();
    for (section, value) in parsed {
        match value {
            Value::Table(settings) => leaves.extend(settings.into_iter().map(|(setting, value)| Leaf {
                key: format!("{section}.{setting}"),
                value: Raw::Typed(value),
                origin: name.into(),
            })),
            value => leaves.push(Leaf { key: section, value: Raw::Typed(value), origin: name.into() }),
        }
    }
    Ok(leaves)
}

fn environment_leaves(env: &BTreeMap<String, String>) -> Vec<Leaf> {
    let ours = env.iter().filter(|(name, value)| {
        // An empty variable is one that a script or Compose passed on without having it.
        name.starts_with(PREFIX)
            && !value.is_empty()
            && !NOT_SETTINGS.iter().any(|other| name.starts_with(other))
            && !of_kubernetes(name, value)
    });
    ours.map(|(name, value)| Leaf {
        key: name[PREFIX.len()..].to_lowercase().replace("__", "."),
        value: Raw::Text(value.clone()),
        origin: name.clone(),
    })
    .collect()
}

/// Kubernetes tells every pod of a namespace about its services: one called `parlor-gateway` puts
/// `PARLOR_GATEWAY_SERVICE_HOST`, `PARLOR_GATEWAY_PORT=tcp://…` and more into the environment.
fn of_kubernetes(name: &str, value: &str) -> bool {
    let port = |part: &str| ["_TCP", "_UDP"].iter().any(|protocol| part.contains(protocol));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()) && port(rest))
}

/// The setting's value, if there is such a setting and it may be that.
fn checked(leaf: &Leaf, known: &BTreeMap<String, Value>) -> Result<Value> {
    let Leaf { key, value, origin } = leaf;
    let Some(default) = known.get(key) else {
        let near = nearest::of(key, known.keys().map(String::as_str));
        if origin.starts_with(PREFIX) {
            let variable = |key: &str| format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
            bail!("{origin}: there is no setting {key}; the nearest is {near} ({})", variable(near));
        }
        bail!("{origin}: there is no setting {key}; the nearest is {near}");
    };
    let value = match value {
        Raw::Typed(value) => value.clone(),
        Raw::Text(text) if default.is_array() => list(text).ok_or_else(|| {
            let name = key.rsplit_once('.').map_or(key.as_str(), |(_, name)| name);
            said_by(leaf, &format!(r#"a list is written here as one,two (in a file: {name} = ["one", "two"])"#))
        })?,
        Raw::Text(text) => typed(text, default).map_err(|reason| wrong(leaf, &reason))?,
    };
    // Alone among defaults, so that the message can say whose fault it is.
    let mut alone = table(&Config::default());
    put(&mut alone, key, value.clone());
    match Config::deserialize(alone) {
        Ok(_) => Ok(value),
        Err(error) => Err(wrong(leaf, error.message())),
    }
}

/// What is wrong with a setting. The value of one that may hold a secret is not repeated.
fn wrong(leaf: &Leaf, reason: &str) -> anyhow::Error {
    let key = &leaf.key;
    let holds_a_secret = ["secret", "password", "url"].iter().any(|end| key.ends_with(end));
    said_by(
        leaf,
        if key.ends_with("keys") {
            "it is not a list of texts"
        } else if holds_a_secret {
            "it is not a text"
        } else {
            reason
        },
    )
}

/// A fault of a setting, with who said it.
fn said_by(leaf: &Leaf, reason: &str) -> anyhow::Error {
    let Leaf { key, origin, .. } = leaf;
    if origin.ends_with(key.as_str()) {
        anyhow::anyhow!("{origin}: {reason}")
    } else {
        anyhow::anyhow!("{origin}: {key}: {reason}")
    }
}

/// Reads text as what the setting's default is.
fn typed(text: &str, default: &Value) -> Result<Value, String> {
    Ok(match default {
        Value::Integer(_) => {
            let number = text.trim().parse().map_err(|_| format!("'{text}' is not a whole number"))?;
            Value::Integer(number)
        }
        Value::Boolean(_) => match text.trim() {
            "true" | "on" | "yes" | "1" => Value::Boolean(true),
            "false" | "off" | "no" | "0" => Value::Boolean(false),
            _ => return Err(format!("'{text}' is neither true nor false")),
        },
        _ => Value::String(text.into()),
    })
}

/// Reads text as a list: items with commas between. `None`: it has the brackets or quotes of TOML or JSON, which would
/// become part of the items. An IPv6 address keeps its brackets.
fn list(text: &str) -> Option<Value> {
    let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let written_otherwise = |item: &&str| {
        let open = item.strip_prefix('[');
        let inside = open.map(|rest| rest.split_once(']').map_or("", |(address, _)| address));
        let address = inside.is_none_or(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let quoted = |quote: char| item.trim_end_matches(']').ends_with(quote);
        !address || (open.is_none() && item.ends_with(']') && !item.contains('[')) || quoted('"') || quoted('\'')
    };
    let items = (!items.iter().any(written_otherwise)).then_some(items)?;
    Some(Value::Array(items.into_iter().map(|item| Value::String(item.into())).collect()))
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(rest.into(), value);
            }
        }
        None => _ = table.insert(key.into(), value),
    }
}
