//! Settings: what there is ([`settings`]), how it is written ([`values`]), where it comes from ([`layers`],
//! [`aliases`]), and whether a role can run with it (`check`).

mod aliases;
mod check;
mod dotenv;
mod layers;
mod nearest;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use check::{Role, check};
pub(crate) use dotenv::environment;
pub(crate) use layers::{Inputs, load};
pub(crate) use settings::Config;
pub(crate) use template::render;
pub(crate) use values::{LogFormat, Mode, Preset, RateLimit, Span};
#[cfg(test)]
pub(crate) use values::{Secret, ServerUrl};

/// Signs tokens where nothing else was configured, in development alone. Everybody knows it.
pub(crate) const DEVELOPMENT_SECRET: &str = "parlor-development-secret-that-everybody-knows";

impl Config {
    /// What holds where nothing is configured.
    pub(crate) fn defaults(mode: Mode, preset: Preset) -> Self {
        let mut config = Self { mode, ..Self::default() };
        if mode == Mode::Development {
            config.gateway.listen = "127.0.0.1:3000".into();
            config.delivery_worker.listen = "127.0.0.1:9101".into();
            config.persister.listen = "127.0.0.1:9111".into();
            config.auth.guests = true;
            config.auth.registration = true;
            config.rooms.create_on_join = true;
            config.rooms.guests_create = true;
            config.http.allowed_origins = vec!["*".into()];
            config.http.page = true;
        }
        config.limits.preset = preset;
        match preset {
            Preset::Documents => config.limits.message = RateLimit::per(10, 60),
            // Trying out means joining rooms that are not there yet, which makes them.
            Preset::Shipped if mode == Mode::Development => config.limits.room_create = RateLimit::per(60, 60),
            Preset::Shipped => {}
        }
        config
    }

    /// The secret that signs tokens: the configured one, in development else the one that everybody knows.
    pub(crate) fn secret(&self) -> &str {
        if self.has_development_secret() { DEVELOPMENT_SECRET } else { self.auth.secret.reveal() }
    }

    /// Whether tokens are signed with the secret that everybody knows.
    pub(crate) fn has_development_secret(&self) -> bool {
        self.mode == Mode::Development && self.auth.secret.is_empty()
    }
}
