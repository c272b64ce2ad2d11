use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::aliases::ALIASES;
use super::settings::Auth;
use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(pairs: &[(&str, &str)]) -> anyhow::Result<Config> {
    load(&Inputs { env: env(pairs), ..Inputs::default() })
}

fn from_file(text: &str) -> anyhow::Result<Config> {
    load(&Inputs { file: Some(("parlor.toml".into(), text.into())), ..Inputs::default() })
}

fn said(result: anyhow::Result<Config>) -> String {
    format!("{:#}", result.expect_err("refused"))
}

fn production() -> Config {
    let mut config = Config::defaults(Mode::Production, Preset::Shipped);
    config.auth.secret = Secret::new("0123456789abcdef0123456789abcdef");
    config
}

#[test]
fn what_is_nearer_wins_option_over_set_over_variable_over_alias_over_file() {
    let mut inputs = Inputs {
        file: Some(("parlor.toml".into(), "[content]\nmax_cafe_chars = 1\n[gateway]\nlisten = \"1.1.1.1:1\"".into())),
        ..Inputs::default()
    };
    let chars = |inputs: &Inputs| load(inputs).expect("loads").content.max_cafe_chars;
    assert_eq!(chars(&Inputs::default()), 500);
    assert_eq!(chars(&inputs), 1);
    inputs.env.insert("CHAT_MESSAGE_MAX_LENGTH".into(), "2".into());
    assert_eq!(chars(&inputs), 2);
    inputs.env.insert("PARLOR_CONTENT__MAX_CAFE_CHARS".into(), "3".into());
    assert_eq!(chars(&inputs), 3);
    inputs.sets.push("content.max_cafe_chars=4".into());
    inputs.sets.push("content.max_cafe_chars=5".into());
    assert_eq!(chars(&inputs), 5);
    inputs.sets.push("gateway.listen=2.2.2.2:2".into());
    inputs.options.push(("gateway.listen", "3.3.3.3:3".into(), "--listen"));
    assert_eq!(load(&inputs).expect("loads").gateway.listen, "3.3.3.3:3");
}

#[test]
fn the_documents_names_are_understood() {
    let config = from_env(&[
        ("DATABASE_URL", "postgresql://user:password@localhost:5432/leetsocial"),
        ("REDIS_HOST", "cache"),
        ("REDIS_PORT", "6380"),
        ("REDIS_PASSWORD", "p@ss/word"),
        ("REDIS_DB", "2"),
        ("JWT_SECRET", "your-super-secret-jwt-key"),
        ("JWT_EXPIRATION", "7d"),
        ("SOCKET_PORT", "3001"),
        ("ALLOWED_ORIGINS", "http://localhost:3000,http://localhost:3001"),
        ("MAX_FILE_SIZE", "20971520"),
        ("UPLOAD_BUCKET", "leetsocial-uploads"),
        ("CHAT_MESSAGE_MAX_LENGTH", "800"),
        ("CHAT_HISTORY_LIMIT", "20"),
        ("CHAT_CACHE_SIZE", "200"),
        ("CHAT_TYPING_TIMEOUT", "4500"),
        ("TOPIC_MIN_WORD_LENGTH", "5"),
        ("TOPIC_MAX_TOPICS", "30"),
        ("TOPIC_EXPIRY_SECONDS", "1800"),
    ])
    .expect("loads");
    assert_eq!(config.postgres.url.reveal(), "postgresql://user:password@localhost:5432/leetsocial");
    assert_eq!(config.redis.url.reveal(), "redis://:p%40ss%2Fword@cache:6380/2");
    assert_eq!(config.secret(), "your-super-secret-jwt-key");
    assert_eq!(config.auth.ttl.0, Duration::from_secs(7 * 86_400));
    assert_eq!(config.gateway.listen, "0.0.0.0:3001");
    assert_eq!(config.http.allowed_origins, ["http://localhost:3000", "http://localhost:3001"]);
    assert_eq!((config.content.max_cafe_chars, config.content.max_chars), (800, 4_000), "the café's alone");
    assert_eq!((config.files.max_size, config.files.bucket.as_str()), (20_971_520, "leetsocial-uploads"));
    assert_eq!((config.history.page, config.history.cache), (20, 200));
    assert_eq!(config.rooms.cafe_typing.0, Duration::from_millis(4_500));
    assert_eq!((config.topics.min_word_length, config.topics.max_topics), (5, 30));
    assert_eq!(config.topics.expiry.0, Duration::from_secs(1800));
}

#[test]
fn the_documents_defaults_hold_where_nothing_is_set() {
    let config = Config::default();
    assert_eq!((config.gateway.max_connections, config.rooms.member_limit), (10_000, 100_000));
    assert_eq!(config.gateway.resume_within.0, Duration::from_secs(3_600));
    // As many as a gateway serves at all, where the documents have 1,000: no member is kept out of a large group.
    assert_eq!(config.rooms.connections_per_room, config.gateway.max_connections);
    assert_eq!((config.content.max_cafe_chars, config.files.max_size), (500, 10_485_760));
    assert_eq!((config.history.page, config.history.cache), (50, 100));
    assert_eq!(config.rooms.cafe_typing.0, Duration::from_millis(3_000));
    assert_eq!((config.topics.min_word_length, config.topics.max_topics), (4, 50));
    assert_eq!(config.topics.expiry.0, Duration::from_secs(3_600));
    let limits = &config.limits;
    assert_eq!((limits.message, limits.file), (RateLimit::per(60, 60), RateLimit::per(5, 300)));
    assert_eq!((limits.room_create, limits.typing), (RateLimit::per(3, 3_600), RateLimit::per(30, 60)));
}

#[test]
fn a_cafes_typing_is_over_in_a_second_at_the_least_and_a_minute_at_the_most() {
    for (span, good) in [("999", false), ("1000", true), ("60000", true), ("60001", false)] {
        let mut config = from_env(&[("CHAT_TYPING_TIMEOUT", span)]).expect("loads");
        config.auth = production().auth;
        let checked = check(&config, Role::Gateway);
        assert_eq!(checked.is_ok(), good, "{span}");
        assert!(checked.err().is_none_or(|wrong| wrong.to_string().contains("rooms.cafe_typing")), "{span}");
    }
}

#[test]
fn redis_host_alone_is_enough_and_parlors_own_name_wins() {
    assert_eq!(from_env(&[("REDIS_HOST", "redis")]).expect("loads").redis.url.reveal(), "redis://redis:6379/0");
    // As a copied example file leaves it.
    assert_eq!(from_env(&[("REDIS_PASSWORD", "")]).expect("loads").redis.url.reveal(), "redis://127.0.0.1:6379/0");
    let both = from_env(&[("REDIS_HOST", "a"), ("PARLOR_REDIS__URL", "redis://b:1/1")]).expect("loads");
    assert_eq!(both.redis.url.reveal(), "redis://b:1/1");
}

#[test]
fn an_unknown_setting_is_refused_and_the_nearest_is_named() {
    let file = said(from_file("[gateway]\nmax_conections = 5"));
    assert_eq!(file, "parlor.toml: there is no setting gateway.max_conections; the nearest is gateway.max_connections");
    let section = said(from_file("[gatway]\nlisten = \"1.1.1.1:1\""));
    assert!(section.contains("gatway.listen") && section.ends_with("gateway.listen"), "{section}");
    let variable = said(from_env(&[("PARLOR_AUTH_SECRET", "x")]));
    assert!(variable.ends_with("the nearest is auth.secret (PARLOR_AUTH__SECRET)"), "{variable}");
    let set = said(load(&Inputs { sets: vec!["limits.mesage=off".into()], ..Inputs::default() }));
    assert!(set.starts_with("--set limits.mesage") && set.ends_with("limits.message"), "{set}");
    assert!(from_file("[gateway]\nlisten.port = 5").is_err());
    assert!(from_file("gateway = 5").is_err());
}

#[test]
fn a_wrong_value_is_refused_with_who_said_it_and_never_shows_a_secret() {
    let number = said(from_env(&[("PARLOR_CONTENT__MAX_CHARS", "many")]));
    assert_eq!(number, "PARLOR_CONTENT__MAX_CHARS: content.max_chars: 'many' is not a whole number");
    let limit = said(load(&Inputs { sets: vec!["limits.message=often".into()], ..Inputs::default() }));
    assert!(limit.starts_with("--set limits.message: 'often' is no limit"), "{limit}");
    assert!(said(from_env(&[("PARLOR_MODE", "prod")])).contains("production"));
    let secret = said(from_file("[auth]\nsecret = 123456789"));
    assert!(!secret.contains("123456789"), "{secret}");
    assert!(said(from_file("[auth\nsecret = ")).contains("parlor.toml is not TOML"));
}

#[test]
fn lists_truths_and_limits_can_be_said_in_variables() {
    let config = from_env(&[
        ("PARLOR_KAFKA__BROKERS", "a:1, b:2"),
        ("PARLOR_AUTH__GUESTS", "true"),
        ("PARLOR_LIMITS__MESSAGE", "off"),
        ("PARLOR_LIMITS__ROOM_CREATE", "5/1h"),
        ("PARLOR_DELIVERY_WORKER__LISTEN", "127.0.0.1:9"),
    ])
    .expect("loads");
    assert_eq!(config.kafka.brokers, ["a:1", "b:2"]);
    assert!(config.auth.guests);
    assert_eq!((config.limits.message, config.limits.room_create), (RateLimit(None), RateLimit::per(5, 3600)));
    assert_eq!(config.delivery_worker.listen, "127.0.0.1:9");
}

#[test]
fn a_list_in_the_form_of_a_file_is_refused_where_text_is_asked_for_and_the_right_form_is_said() {
    for text in
        [r#"["key-of-32-bytes","another"]"#, "['key-of-32-bytes']", "[key-of-32-bytes]", r#""key-of-32-bytes""#, "[]"]
    {
        let set = said(load(&Inputs { sets: vec![format!("auth.server_keys={text}")], ..Inputs::default() }));
        let right = r#"a list is written here as one,two (in a file: server_keys = ["one", "two"])"#;
        assert_eq!(set, format!("--set auth.server_keys: {right}"), "{text}");
        let variable = said(from_env(&[("PARLOR_AUTH__SERVER_KEYS", text)]));
        assert!(variable.ends_with(right) && !variable.contains("key-of"), "{variable}");
    }
    let file = said(from_file("[auth]\nserver_keys = \"key-of-32-bytes\""));
    assert_eq!(file, "parlor.toml: auth.server_keys: it is not a list of texts");
    let config = from_env(&[
        ("PARLOR_KAFKA__BROKERS", "[::1]:9092, [2001:db8::1]:9092"),
        ("PARLOR_HTTP__ALLOWED_ORIGINS", "http://[::1]:3000,http://[::1]"),
        ("PARLOR_AUTH__SERVER_KEYS", "one=,t]w/o+"),
    ])
    .expect("loads");
    assert_eq!(config.kafka.brokers, ["[::1]:9092", "[2001:db8::1]:9092"]);
    assert_eq!(config.http.allowed_origins, ["http://[::1]:3000", "http://[::1]"]);
    assert_eq!(config.auth.server_keys.len(), 2);
}

#[test]
fn kubernetes_own_variables_and_the_scripts_are_left_alone() {
    let config = from_env(&[
        ("PARLOR_GATEWAY_SERVICE_HOST", "10.0.0.7"),
        ("PARLOR_GATEWAY_SERVICE_PORT_HTTP", "3000"),
        ("PARLOR_GATEWAY_PORT", "tcp://10.0.0.7:3000"),
        ("PARLOR_GATEWAY_PORT_3000_TCP", "tcp://10.0.0.7:3000"),
        ("PARLOR_GATEWAY_PORT_3000_TCP_ADDR", "10.0.0.7"),
        ("REDIS_PORT", "tcp://10.0.0.8:6379"),
        ("PARLOR_TEST_KAFKA", "127.0.0.1:1"),
        ("PARLOR_CLUSTER_DIR", "elsewhere"),
    ]);
    assert_eq!(config.expect("loads"), Config::default());
}

#[test]
fn development_lets_guests_in_and_production_does_not_unless_told() {
    let config = from_env(&[("PARLOR_MODE", "development")]).expect("loads");
    assert!(config.auth.guests && config.rooms.create_on_join && config.has_development_secret());
    assert_eq!(config.secret(), DEVELOPMENT_SECRET);
    let strict = from_env(&[("PARLOR_MODE", "development"), ("PARLOR_AUTH__GUESTS", "false")]).expect("loads");
    assert!(!strict.auth.guests);
    let config = Config::default();
    assert!(!config.auth.guests && !config.rooms.create_on_join && !config.has_development_secret());
    let port = from_env(&[("PARLOR_MODE", "development"), ("SOCKET_PORT", "3001")]).expect("loads");
    assert_eq!(port.gateway.listen, "127.0.0.1:3001");
}

#[test]
fn production_refuses_a_missing_known_or_short_secret_and_says_what_to_do() {
    let refusal = |secret: &str| {
        let config = Config { auth: Auth { secret: Secret::new(secret), ..production().auth }, ..production() };
        check(&config, Role::Gateway).expect_err("refused").to_string()
    };
    for (secret, why) in [
        ("", "not set"),
        (DEVELOPMENT_SECRET, "everybody knows"),
        ("your-super-secret-jwt-key", "everybody knows"),
        ("short", "less than 32 bytes"),
    ] {
        let text = refusal(secret);
        assert!(text.contains(why) && text.contains("PARLOR_AUTH__SECRET"), "{text}");
        assert!(secret.is_empty() || !text.contains(secret), "{text}");
    }
    check(&production(), Role::Gateway).expect("good");
    // Who signs nothing needs no secret.
    check(&Config::default(), Role::Persister).expect("good");
    check(&Config::defaults(Mode::Development, Preset::Shipped), Role::Gateway).expect("good");
}

#[test]
fn every_fault_is_said_at_once() {
    let mut config = production();
    config.gateway.listen = "3000".into();
    config.http.allowed_origins = vec!["https://chat.example.com/".into()];
    config.http.trusted_proxies = vec!["nginx".into()];
    let text = check(&config, Role::Gateway).expect_err("refused").to_string();
    for part in ["3 faults", "gateway.listen", "https://chat.example.com/", "'nginx'"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_documents_preset_holds_where_nothing_else_was_said() {
    let preset = from_env(&[("PARLOR_LIMITS__PRESET", "documents")]).expect("loads");
    assert_eq!(preset.limits.message, RateLimit::per(10, 60));
    assert_eq!(preset.limits.room_create, RateLimit::per(3, 3600));
    let own = [("PARLOR_LIMITS__PRESET", "documents"), ("PARLOR_LIMITS__MESSAGE", "7/60s")];
    assert_eq!(from_env(&own).expect("loads").limits.message, RateLimit::per(7, 60));
}

#[test]
fn genconfig_has_every_setting_with_its_default() {
    let text = render();
    assert_eq!(from_file(&text).expect("as it is"), Config::default());
    let is_setting = |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    let lines = text.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
    let uncommented = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(from_file(&uncommented).expect("uncommented"), Config::default());
    let table: toml::Table = uncommented.parse().expect("TOML");
    for key in layers::known().keys() {
        let found = match key.split_once('.') {
            Some((section, name)) => table[section].get(name),
            None => table.get(key),
        };
        assert!(found.is_some(), "{key} is not in it");
    }
    for section in Config::SECTIONS {
        assert!(section.settings.iter().all(|(_, doc)| !doc.is_empty()), "{}", section.name);
    }
}

/// `.env.example` at the root: every setting as a variable, commented out with its default, and the documents' names.
#[test]
fn the_example_environment_names_every_setting_and_alias_and_nothing_else() {
    let text = include_str!("../../../.env.example");
    assert_eq!(
        load(&Inputs { env: dotenv::parse(text).expect("parses"), ..Inputs::default() }).expect("loads"),
        Config::default()
    );
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let all = dotenv::parse(&lines.collect::<Vec<_>>().join("\n")).expect("parses");
    let named: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    let variable = |key: &String| format!("PARLOR_{}", key.to_uppercase().replace('.', "__"));
    let known: Vec<String> = layers::known().keys().map(variable).collect();
    let aliases = ALIASES.iter().map(|(name, _)| *name);
    let expected: BTreeSet<&str> = known.iter().map(String::as_str).chain(aliases).collect();
    assert_eq!(named, expected);
    let own: BTreeMap<_, _> = all.into_iter().filter(|(name, _)| name.starts_with("PARLOR_")).collect();
    assert_eq!(load(&Inputs { env: own, ..Inputs::default() }).expect("loads"), Config::default());
}

#[test]
fn an_environment_file_is_read_as_shells_write_it() {
    let text = "# note\nA=1\nexport B='two # 2'\nC=\"three\" # more\nMAX_FILE_SIZE=10485760  # 10MB\nD=a#b\nE=\n";
    let parsed = dotenv::parse(text).expect("parses");
    let expected =
        [("A", "1"), ("B", "two # 2"), ("C", "three"), ("MAX_FILE_SIZE", "10485760"), ("D", "a#b"), ("E", "")];
    assert_eq!(parsed, env(&expected));
    assert!(dotenv::parse("nonsense").is_err());
}

#[test]
fn nothing_that_is_shown_holds_a_secret() {
    let config = from_env(&[
        ("PARLOR_AUTH__SECRET", "hunter2"),
        ("PARLOR_AUTH__PREVIOUS_SECRET", "hunter2"),
        ("DATABASE_URL", "postgres://parlor:hunter2@db/parlor"),
        ("REDIS_PASSWORD", "hunter2"),
    ])
    .expect("loads");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!toml::to_string(&config).expect("TOML").contains("hunter2"));
}

#[test]
fn a_process_has_one_to_twenty_connections_to_postgresql_and_a_replica_has_a_url_of_its() {
    let refused = |set: fn(&mut Config)| {
        let mut config = production();
        set(&mut config);
        check(&config, Role::Gateway).err().map(|error| error.to_string())
    };
    assert_eq!(refused(|config| config.postgres.pool = 20), None);
    for said in [refused(|config| config.postgres.pool = 21), refused(|config| config.postgres.pool = 0)] {
        assert!(said.expect("refused").contains("postgres.pool is from 1 to 20"));
    }
    assert_eq!(refused(|config| config.postgres.read_url = ServerUrl::new("postgresql://replica/parlor")), None);
    let said = refused(|config| config.postgres.read_url = ServerUrl::new("replica:5432")).expect("refused");
    assert!(said.contains("postgres.read_url"), "{said}");
}
