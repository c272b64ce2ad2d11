//! The environment, with a `.env` file below it: the documents' `cp .env.example .env`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The process's environment; what it lacks is taken from `file`, if that exists.
pub(crate) fn environment(file: &Path) -> Result<BTreeMap<String, String>> {
    let mut env = match std::fs::read_to_string(file) {
        Ok(text) => parse(&text).with_context(|| format!("{}", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    // Names and values that are no Unicode are none of ours.
    env.extend(
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    Ok(env)
}

/// Lines `NAME=value`, where a value may be quoted and ` # …` after an unquoted one is a comment.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
            bail!("line {}: it is not NAME=value", number + 1);
        };
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find(|quote| value.starts_with(*quote));
        let value = match quoted {
            Some(quote) => {
                let inner = value[1..].split_once(quote).map(|(inner, _)| inner);
                inner.with_context(|| format!("line {}: a quote is not closed", number + 1))?
            }
            None if value.starts_with('#') => "",
            None => value.split_once(" #").map_or(value, |(value, _)| value).trim_end(),
        };
        env.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(env)
}
