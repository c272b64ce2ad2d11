//! `gentoken` and `checktoken`: JSON Web Tokens as gateways accept them (DESIGN.md §9).

use anyhow::{Context, Result, bail};
use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;
use parlor_gateway::{Claims, Tokens};

use crate::cli::Gentoken;
use crate::compose;
use crate::config::Config;

/// Prints a token. Nothing else goes to standard output, so that `$(parlor gentoken …)` is the token.
pub(super) fn generate(config: &Config, wanted: Gentoken) -> Result<()> {
    println!("{}", sign(config, wanted, Timestamp::now())?);
    if config.has_development_secret() {
        eprintln!("warning: signed with the development secret, which production refuses");
    }
    Ok(())
}

/// Prints what a good token says.
pub(super) fn check(config: &Config, token: &str) -> Result<()> {
    let claims = verify(config, token)?;
    println!("{}", serde_json::to_string_pretty(&claims).context("claims cannot be shown")?);
    println!("good until {}", Timestamp(claims.exp.saturating_mul(1000)));
    if config.has_development_secret() {
        eprintln!("warning: checked with the development secret, which production refuses");
    }
    Ok(())
}

fn sign(config: &Config, wanted: Gentoken, now: Timestamp) -> Result<String> {
    if !config.auth.jwks_url.is_empty() {
        bail!("auth.jwks_url is set: tokens come from that issuer, and none made here would be good");
    }
    let Some(user) = UserId::parse(&wanted.user) else {
        bail!("--user: an id has 1 to 255 characters and no control characters");
    };
    let ttl = wanted.ttl.unwrap_or(config.auth.ttl).0.as_secs();
    let iat = now.0 / 1000;
    let claims = Claims {
        sub: user.to_string(),
        user_id: Some(user.to_string()),
        user_name: Some(wanted.name.unwrap_or_else(|| user.to_string())),
        user_avatar: wanted.avatar,
        iss: config.auth.issuer.clone(),
        aud: config.auth.audience.clone().into(),
        sid: None,
        name: None,
        picture: None,
        iat,
        exp: i64::try_from(ttl).ok().and_then(|ttl| iat.checked_add(ttl)).context("--ttl is too long")?,
    };
    parlor_gateway::mint(&claims, config.secret()).context("the token cannot be signed")
}

fn verify(config: &Config, token: &str) -> Result<Claims> {
    // An external issuer's keys are fetched.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let tokens = Tokens::new(&compose::auth(config));
    runtime.block_on(tokens.claims(token.trim())).context("the token is not good")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Preset, Secret, Span};

    fn development() -> Config {
        Config::defaults(Mode::Development, Preset::Shipped)
    }

    fn wanted() -> Gentoken {
        Gentoken { user: "u1".into(), name: Some("User 1".into()), avatar: None, ttl: None }
    }

    #[test]
    fn a_token_that_was_made_is_good_and_says_who_it_is() {
        let config = development();
        let token = sign(&config, wanted(), Timestamp::now()).expect("signed");
        let claims = verify(&config, &token).expect("good");
        assert_eq!((claims.sub.as_str(), claims.user_id.as_deref()), ("u1", Some("u1")));
        assert_eq!(claims.user_name.as_deref(), Some("User 1"));
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("parlor", Some("parlor")));
        assert_eq!(claims.exp - claims.iat, 3600);
    }

    #[test]
    fn a_token_ends_and_another_secret_is_refused() {
        let config = development();
        let old = Timestamp::now().plus_millis(-7_200_000);
        assert!(verify(&config, &sign(&config, wanted(), old).expect("signed")).is_err());
        let long = Gentoken { ttl: Some(Span::seconds(10_000)), ..wanted() };
        assert!(verify(&config, &sign(&config, long, old).expect("signed")).is_ok());
        let mut other = development();
        other.auth.secret = Secret::new("another secret of enough bytes, and more");
        let token = sign(&other, wanted(), Timestamp::now()).expect("signed");
        assert!(verify(&config, &token).is_err());
    }

    #[test]
    fn while_the_secret_is_changed_tokens_of_both_are_good() {
        let (mut before, mut after) = (development(), development());
        before.auth.secret = Secret::new("the one before, of enough bytes for it");
        after.auth.secret = Secret::new("the one after, of enough bytes for it");
        after.auth.previous_secret = before.auth.secret.clone();
        for config in [&before, &after] {
            assert!(verify(&after, &sign(config, wanted(), Timestamp::now()).expect("signed")).is_ok());
        }
    }
}
