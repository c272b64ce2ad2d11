//! Settings, gathered from where they stand; and `checkconfig`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Options;
use crate::cli::Settings;
use crate::config::{self, Config, Inputs, Mode, Role};

/// Reads the settings and refuses what the role cannot run with.
pub(super) fn read<const N: usize>(given: &Settings, role: Role, options: Options<N>) -> Result<Config> {
    // Solo is for trying out, and a token that is signed with the known secret is refused by production anyway.
    let mode = if matches!(role, Role::Solo | Role::Token) { Mode::Development } else { Mode::Production };
    let options = options.into_iter().filter_map(|(key, value, name)| Some((key, value?, name))).collect();
    let config = config::load(&inputs(given, mode, options)?)?;
    config::check(&config, role)?;
    Ok(config)
}

fn inputs(given: &Settings, mode: Mode, options: Vec<(&'static str, String, &'static str)>) -> Result<Inputs> {
    let env = config::environment(Path::new(".env"))?;
    let named = env.get("PARLOR_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = given.config.clone().or(named).map(|path| {
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        anyhow::Ok((path.display().to_string(), text))
    });
    Ok(Inputs { mode, file: file.transpose()?, env, sets: given.sets.clone(), options })
}

/// `checkconfig`: what holds, and for each role whether it could run.
pub(super) fn show(given: &Settings) -> Result<()> {
    let config = config::load(&inputs(given, Mode::Production, Vec::new())?)?;
    print!("{}", toml::to_string(&config).context("settings cannot be shown")?);
    let roles = [Role::Gateway, Role::DeliveryWorker, Role::Persister, Role::Migrate];
    roles.into_iter().try_for_each(|role| config::check(&config, role))?;
    eprintln!("ok: gateway, delivery-worker, persister and migrate can run with these settings");
    Ok(())
}
