//! Every setting, said once: its name, what it means, its default. `genconfig`, the check for unknown names and the
//! documents are made from this file.

use serde::{Deserialize, Serialize};

use super::values::{LogFormat, Mode, Preset, RateLimit, Secret, ServerUrl, Span};

/// A section's name, what it is about, and its settings with what each means.
pub(crate) struct Described {
    /// As it stands between brackets.
    pub(crate) name: &'static str,
    /// Lines.
    pub(crate) about: &'static [&'static str],
    /// Each setting with its lines.
    pub(crate) settings: &'static [(&'static str, &'static [&'static str])],
}

macro_rules! section {
    ($(#[doc = $about:literal])* $section:ident {
        $($(#[doc = $doc:literal])* $setting:ident: $type:ty = $default:expr),* $(,)?
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $section {
            $($(#[doc = $doc])* pub(crate) $setting: $type,)*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($setting: $default,)* }
            }
        }

        impl $section {
            const fn described(name: &'static str) -> Described {
                Described {
                    name,
                    about: &[$($about),*],
                    settings: &[$((stringify!($setting), &[$($doc),*])),*],
                }
            }
        }
    };
}

macro_rules! sections {
    ($($name:ident: $section:ident),* $(,)?) => {
        /// All settings.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Config {
            /// What the process is for.
            pub(crate) mode: Mode,
            $(#[allow(missing_docs)] pub(crate) $name: $section,)*
        }

        impl Config {
            /// Every section, in the order in which they are shown.
            pub(crate) const SECTIONS: &'static [Described] = &[$($section::described(stringify!($name))),*];
        }
    };
}

sections! {
    gateway: Gateway,
    auth: Auth,
    rooms: Rooms,
    content: Content,
    files: Files,
    history: History,
    topics: Topics,
    limits: Limits,
    http: Http,
    kafka: Kafka,
    redis: Redis,
    postgres: Postgres,
    delivery_worker: DeliveryWorker,
    persister: Persister,
    push: Push,
    solo: Solo,
    log: Log,
}

section! {
    /// Gateways hold the clients' connections.
    Gateway {
        /// Tells this gateway from the others, which must have other names; empty: the machine's host name.
        /// Lower-case letters, digits and `-`.
        name: String = String::new(),
        /// Address and port for clients, health and metrics. In development 127.0.0.1:3000.
        listen: String = "0.0.0.0:3000".into(),
        /// Connections at once; newcomers beyond are sent away and may come back.
        max_connections: usize = 10_000,
        /// Connections at once from one address; 0: no limit. Mind offices behind one address.
        max_connections_per_address: usize = 0,
        /// Connections at once of one user.
        max_connections_per_user: usize = 100,
        /// Between a client's pong and the next ping.
        ping_interval: Span = Span::seconds(25),
        /// Between a ping and the pong that must follow.
        ping_timeout: Span = Span::seconds(20),
        /// The event names and payloads that a client hears until it has shown which it speaks: "dotted" or "snake".
        vocabulary: String = "dotted".into(),
        /// For how long after it was last seen a client may come back and go on where it was; later it begins anew.
        resume_within: Span = Span::seconds(3600),
        /// Connections closed per second while it ends, so that they do not all come back at once.
        drain_per_second: u32 = 500,
    }
}

section! {
    /// Who somebody is: JSON Web Tokens, from Parlor's own accounts or an external issuer.
    Auth {
        /// Signs and checks tokens: at least 32 bytes that nobody can guess (`openssl rand -base64 48`), the same on
        /// every gateway. In development, if empty, one that everybody knows.
        secret: Secret = Secret::default(),
        /// While a secret is being changed: tokens signed with this one are still accepted.
        previous_secret: Secret = Secret::default(),
        /// What a token's `iss` must be.
        issuer: String = "parlor".into(),
        /// What a token's `aud` must be.
        audience: String = "parlor".into(),
        /// How long a token is good that a sign-in, a refresh or `parlor gentoken` makes.
        ttl: Span = Span::seconds(3600),
        /// How long a sign-in lasts without a refresh. Each refresh counts from anew.
        refresh_ttl: Span = Span::days(30),
        /// Whether anybody may make an account (`POST /api/auth/register`). In development true.
        registration: bool = false,
        /// What signs tokens: "HS256" with the secret above, or "RS256", "ES256" or "EdDSA" with the keys at `jwks_url`.
        algorithm: String = "HS256".into(),
        /// Where an external issuer publishes its public keys (a JSON Web Key Set, over https). All tokens are then its
        /// own: there are no accounts here, and users are made when they first come in.
        jwks_url: String = String::new(),
        /// Keys with which the team's own back end acts over REST (`/api/server`): at least 32 bytes each that nobody
        /// can guess (`openssl rand -base64 48`). Every one of them holds, so that one can take another's place.
        server_keys: Vec<Secret> = Vec::new(),
        /// Whether who has no token may come in as a guest, under a name of their own choice. In development true.
        guests: bool = false,
    }
}

section! {
    /// Rooms and who may be in them.
    Rooms {
        /// Whether joining a channel that does not exist makes it. In development true.
        create_on_join: bool = false,
        /// Whether guests may make rooms, and begin direct ones. In development true.
        guests_create: bool = false,
        /// Members that one room may have.
        member_limit: u32 = 100_000,
        /// Connections that one gateway serves in one room; who comes after them is told ROOM_FULL. As many as it
        /// serves at all, so that no member of a large group is kept out of it; the documents have 1000.
        connections_per_room: usize = 10_000,
        /// From this many members on a room shows presence as counts.
        big_room: u32 = 500,
        /// After so long without another start, 1s to 60s, typing is over for who speaks `cafe`; for others after 5s.
        cafe_typing: Span = Span::seconds(3),
    }
}

section! {
    /// What a message may hold.
    Content {
        /// Characters of a message's text.
        max_chars: usize = 4_000,
        /// The same for who speaks `cafe`; where `max_chars` is lower, that holds.
        max_cafe_chars: usize = 500,
    }
}

section! {
    /// Files that messages refer to: in a bucket of S3, or in a folder. With neither, only `parlor solo` takes files,
    /// into its own folder.
    Files {
        /// Bytes of one file, at most.
        max_size: u64 = 10_485_760,
        /// Media types that are taken, as `image/png`. What can run script in a browser (`text/html`, `image/svg+xml`)
        /// is taken only if it is named here, and never shown in place.
        types: Vec<String> = parlor_gateway::files::TYPES.iter().map(|&name| name.to_owned()).collect(),
        /// A folder for the bytes, the same for all gateways and persisters (several machines share one, or take a
        /// bucket). `parlor solo` has one beside its data.
        folder: String = String::new(),
        /// A bucket for the bytes. Clients send and fetch them there by themselves, at signed addresses. It must exist,
        /// allow PUT from your pages' origins (CORS), and grant s3:GetObject, PutObject, DeleteObject and ListBucket.
        /// `parlor solo` takes none.
        bucket: String = String::new(),
        /// The bucket's region.
        region: String = "us-east-1".into(),
        /// A server of your own that speaks S3, such as `http://minio:9000`; empty: Amazon's.
        endpoint: String = String::new(),
        /// The same server as clients reach it, where that is by another address.
        public_endpoint: String = String::new(),
        /// The key's id; empty: credentials are the environment's (`AWS_ACCESS_KEY_ID` …) or the machine's role.
        access_key: String = String::new(),
        /// The key's secret.
        secret_key: Secret = Secret::default(),
        /// What stands before the path in the addresses of files, such as `https://chat.example.com` or a CDN's that
        /// passes paths and queries on; empty: addresses are paths of the server that gave them.
        public_url: String = String::new(),
        /// A file to which no message refers is removed when it is so old.
        orphan_age: Span = Span::days(1),
    }
}

section! {
    /// What was said, and how it is read.
    History {
        /// Messages on a page where the client names no number, and that a café shows who joins it; at most 100.
        page: u32 = 50,
        /// Events of each room that are kept in memory (Redis), for pages that need not ask the database.
        cache: usize = 100,
    }
}

section! {
    /// Trending topics: the words that channels use most.
    Topics {
        /// Letters that a word must have.
        min_word_length: usize = 4,
        /// Words kept of a channel.
        max_topics: usize = 50,
        /// A channel's words are forgotten this long after its last one.
        expiry: Span = Span::seconds(3600),
    }
}

section! {
    /// How often one user may do something, counted over all gateways: so many in a sliding window, or "off".
    Limits {
        /// The values that hold where none is set here: "shipped", or "documents" (messages 10/60s).
        preset: Preset = Preset::Shipped,
        /// Messages sent.
        message: RateLimit = RateLimit::per(60, 60),
        /// Files declared.
        file: RateLimit = RateLimit::per(5, 300),
        /// Rooms made, by joining them too. In development 60/60s.
        room_create: RateLimit = RateLimit::per(3, 3600),
        /// Typing indicators.
        typing: RateLimit = RateLimit::per(30, 60),
        /// Rooms joined and left.
        join: RateLimit = RateLimit::per(120, 60),
        /// Changes of rooms: members, roles, settings, bans; also blocks, mutes and reports.
        room_change: RateLimit = RateLimit::per(60, 60),
        /// Pages of history read; searches, lists of rooms and members too.
        history: RateLimit = RateLimit::per(300, 60),
        /// Events of any kind by one connection; who sends four times as many is disconnected.
        event: RateLimit = RateLimit::per(600, 10),
        /// Sign-ins tried for one account. From one address ten times as many, and as many refreshes and new guests.
        login: RateLimit = RateLimit::per(10, 60),
        /// Accounts made from one address.
        register: RateLimit = RateLimit::per(20, 3600),
        /// Push subscriptions made and removed.
        push: RateLimit = RateLimit::per(60, 60),
        /// Public device keys published and looked up.
        keys: RateLimit = RateLimit::per(120, 60),
        /// One-time keys claimed, of which others have only so many.
        key_claim: RateLimit = RateLimit::per(60, 60),
        /// For how long the same text by the same user in the same channel is refused; 0s: it never is.
        spam: Span = Span::seconds(10),
    }
}

section! {
    /// What browsers and proxies may do.
    Http {
        /// Origins of the web pages that may connect, exactly as browsers send them (`https://chat.example.com`), or
        /// "*" for any. Clients that are no web page send none and are not concerned. In development "*".
        allowed_origins: Vec<String> = Vec::new(),
        /// Addresses of proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<String> = Vec::new(),
        /// Whether gateways serve Parlor's own page at `/`, for a first try. In development true.
        page: bool = false,
        /// Whether gateways serve the documents for clients at `/docs`: events, requests, errors, limits. They hold no
        /// secrets.
        docs: bool = true,
    }
}

section! {
    /// Kafka: every event, in order. `parlor migrate` makes the topics.
    Kafka {
        /// Where to begin: `host:port` each.
        brokers: Vec<String> = vec!["127.0.0.1:9092".into()],
        /// What the topics' names begin with.
        topic_prefix: String = "parlor.events".into(),
        /// Which log this is, 1 to 255; rises when the topic is made anew with more partitions.
        generation: u8 = 1,
        /// Partitions of the topic: they bound how many workers share the work, and stay what they are for a generation.
        partitions: u32 = 10,
        /// Copies of each record. With two or more, two must have a message before it counts as sent.
        replication: u16 = 3,
        /// How long records are kept: what is away for longer cannot come back by itself. In whole hours.
        retention: Span = Span::days(7),
        /// How long the producer waits for company before it sends: 0s is the quickest, 1ms saves some work under load.
        linger: Span = Span::seconds(0),
        /// A send without an answer by then is answered "unknown".
        delivery_timeout: Span = Span::seconds(10),
    }
}

section! {
    /// Redis: live delivery, presence, limits. It may forget everything.
    Redis {
        /// `redis://user:password@host:port/database`; `rediss://` for TLS, `redis-cluster://` for a cluster.
        url: ServerUrl = ServerUrl::new("redis://127.0.0.1:6379/0"),
        /// What every key and channel begins with: deployments that share a Redis need different ones.
        prefix: String = "parlor:".into(),
        /// Connections of one process for commands.
        pool: usize = 10,
    }
}

section! {
    /// PostgreSQL: users, rooms, history. `parlor migrate` makes the tables.
    Postgres {
        /// `postgres://user:password@host:port/database`; `?sslmode=verify-full` for TLS.
        url: ServerUrl = ServerUrl::new("postgres://parlor@127.0.0.1:5432/parlor"),
        /// A read replica of it, the same way: pages of history and searches are read there while it keeps up (it is at
        /// most 2 s behind), and on the primary otherwise. Empty: there is none.
        read_url: ServerUrl = ServerUrl::new(""),
        /// Connections of one process, 1 to 20; to a replica as many again.
        pool: u32 = 10,
        /// The longest that the server works on one statement.
        statement_timeout: Span = Span::seconds(10),
    }
}

section! {
    /// Delivery workers bring events from Kafka to Redis.
    DeliveryWorker {
        /// Tells this worker from the others, which must have other names; empty: the machine's host name.
        name: String = String::new(),
        /// Address and port for health and metrics. In development 127.0.0.1:9101.
        listen: String = "0.0.0.0:9101".into(),
        /// How far back delivery begins where Redis has forgotten its place.
        replay: Span = Span::seconds(60),
    }
}

section! {
    /// Persisters bring events from Kafka to PostgreSQL.
    Persister {
        /// Tells this persister from the others, which must have other names; empty: the machine's host name.
        name: String = String::new(),
        /// Address and port for health and metrics. In development 127.0.0.1:9111.
        listen: String = "0.0.0.0:9111".into(),
        /// Records written in one transaction, at most.
        batch: usize = 1000,
        /// How long a batch that is not full waits for more, 100ms at most.
        linger: Span = Span::millis(40),
    }
}

section! {
    /// Push notifications to members who are away. Each service is off until its settings are there; gateways and
    /// delivery workers need the same ones.
    Push {
        /// Web Push: the key by which browsers' push services know this server. `parlor genvapid` makes one.
        vapid_key: Secret = Secret::default(),
        /// Web Push: whom a push service writes to when something is wrong, `mailto:…` or `https://…`.
        vapid_subject: String = String::new(),
        /// FCM: the file with the service account's key, as Google gives it.
        fcm_service_account: String = String::new(),
        /// FCM: where it is served.
        fcm_endpoint: String = "https://fcm.googleapis.com".into(),
        /// APNs: the file with the signing key, as Apple gives it (`.p8`).
        apns_key: String = String::new(),
        /// APNs: that key's id.
        apns_key_id: String = String::new(),
        /// APNs: the team's id.
        apns_team: String = String::new(),
        /// APNs: the app's bundle id.
        apns_topic: String = String::new(),
        /// APNs: where it is served; `https://api.sandbox.push.apple.com` for apps in development.
        apns_endpoint: String = "https://api.push.apple.com".into(),
        /// How long a message waits for its members to come back or read it before it is pushed.
        delay: Span = Span::seconds(2),
        /// The pause before a push that failed is tried again; the second pause is twice as long, and then it is given up.
        retry: Span = Span::seconds(2),
        /// For how long a message is worth a push.
        ttl: Span = Span::days(1),
        /// Requests to push services at once, of one worker.
        concurrency: usize = 64,
        /// Whether a browser's endpoint may be plain HTTP or lie within a private network; refused in production.
        private_endpoints: bool = false,
    }
}

section! {
    /// All roles in one process, without any server: `parlor solo`.
    Solo {
        /// Where it keeps its data.
        data_dir: String = ".parlor/solo".into(),
    }
}

section! {
    /// What the process says, to standard error.
    Log {
        /// "text" for people, "json" for machines.
        format: LogFormat = LogFormat::Text,
        /// "error", "warn", "info", "debug" or "trace"; or by module, such as "info,parlor_gateway=debug".
        level: String = "info".into(),
        /// Statements of the database that take this long are logged, with their text and without their values; 0s: none.
        slow_query: Span = Span::seconds(1),
    }
}
