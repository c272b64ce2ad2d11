//! The roles as processes of their own, on Kafka, Redis and PostgreSQL.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use parlor_core::consume;
use parlor_core::ports::files::Storage;
use parlor_core::ports::log::Log;
use parlor_core::ports::store::Store;
use parlor_fanout::redis::Redis;
use parlor_log::kafka::{KafkaLog, TopicError};
use parlor_store::postgres::{Archive, Postgres};

use super::checks::{check_blobs, check_consumer, check_fanout, check_log, check_replica, check_store};
use super::process::{self, FLUSH, Process};
use super::{blobs, front, push, slices};
use crate::config::Config;
use crate::ops::{self, Dependency};

pub(super) async fn gateway(config: Config) -> Result<()> {
    let name = slices::name(&config.gateway.name);
    let mut process = Process::begin("gateway")?;
    let log = process.prepare(kafka(slices::kafka(&config, &name))).await?;
    let receipts = process.prepare(kafka(slices::receipts(&config, &name))).await?;
    let redis = process.prepare(redis(&config)).await?;
    let postgres = process.prepare(postgres(&config)).await?;
    let store: Arc<dyn Store> = postgres.clone();
    let blobs = blobs::configured(&config)?;
    let mut dependencies = vec![
        Dependency::needed("kafka", check_log(&log)),
        // Cut off from Redis, a gateway has no live events to give: newcomers are better off elsewhere.
        Dependency::needed("redis", check_fanout(&redis)),
        // Without it history is late, and nothing else.
        Dependency::helpful("postgres", check_store(&store)),
    ];
    if !config.postgres.read_url.reveal().is_empty() {
        // Without it the primary is read from.
        dependencies.push(Dependency::helpful("postgres-replica", check_replica(&postgres)));
    }
    // Without it everything but files goes on.
    dependencies.extend(blobs.iter().map(|blobs| Dependency::helpful("files", check_blobs(blobs))));
    let serving = process.serve(&name, dependencies);
    let ports = parlor_gateway::Ports {
        log,
        fanout: redis.clone(),
        presence: redis.clone(),
        limits: redis.clone(),
        files: blobs.map(|blobs| Storage { files: postgres.clone(), blobs }),
        accounts: postgres.clone(),
        sessions: redis.clone(),
        topics: redis.clone(),
        search: postgres.clone(),
        store,
        safety: postgres.clone(),
        devices: postgres.clone(),
        keys: postgres.clone(),
        receipts: receipts.clone(),
        pointers: redis,
        progress: postgres.clone(),
        contacts: postgres,
    };
    let (gateway, routes) = front::make(&config, &name, ports, &serving, "redis")?;
    let listener = process::listen("gateway.listen", &config.gateway.listen).await?;
    tracing::info!(name, address = config.gateway.listen, "the gateway serves");
    let shutdown = serving.shutdown.clone();
    let served = gateway.serve(listener, routes, shutdown).await.context("the gateway cannot serve any more");
    serving.shutdown.cancel();
    receipts.flush(FLUSH).await;
    served
}

pub(super) async fn delivery_worker(config: Config) -> Result<()> {
    let name = slices::name(&config.delivery_worker.name);
    let mut process = Process::begin(parlor_delivery_worker::ROLE)?;
    let log = process.prepare(kafka(slices::kafka(&config, &name))).await?;
    let redis = process.prepare(redis(&config)).await?;
    let (consuming, counting, pushing) = (consume::Health::new(), consume::Health::new(), consume::Health::new());
    let mut dependencies = vec![
        Dependency::needed("kafka", check_log(&log)),
        Dependency::needed("redis", check_fanout(&redis)),
        Dependency::needed("consumer", check_consumer(&consuming)),
        Dependency::helpful("topics", check_consumer(&counting)),
    ];
    let providers = push::providers(&config)?;
    let mut push = None;
    if !providers.is_empty() {
        // Who has which device is in PostgreSQL; live delivery does without it.
        let postgres = process.prepare(postgres(&config)).await?;
        let store: Arc<dyn Store> = postgres.clone();
        dependencies.push(Dependency::helpful("postgres", check_store(&store)));
        dependencies.push(Dependency::helpful("push", check_consumer(&pushing)));
        let (log, presence) = (log.clone(), redis.clone());
        push = Some(parlor_delivery_worker::push::Ports { log, presence, devices: postgres, providers });
    }
    let serving = process.serve(&name, dependencies);
    let listener = process::listen("delivery_worker.listen", &config.delivery_worker.listen).await?;
    tracing::info!(name, address = config.delivery_worker.listen, "the delivery-worker works");
    let ports = parlor_delivery_worker::TopicsPorts { log: log.clone(), topics: redis.clone(), fanout: redis.clone() };
    let slice = slices::topics(&config, &name);
    let topics = parlor_delivery_worker::run_topics(slice, ports, counting, serving.shutdown.clone());
    let ports = parlor_delivery_worker::Ports { log: log.clone(), fanout: redis };
    let slice = slices::delivery_worker(&config, &name);
    let work = parlor_delivery_worker::run(slice, ports, consuming, serving.shutdown.clone());
    let pushes = push::run(slices::push(&config, &name), push, pushing, serving.shutdown.clone());
    // On shutdown all end by themselves; before that, one that ends ends the process.
    let work = async { tokio::try_join!(work, topics, pushes) };
    let done = tokio::select! {
        done = work => done.map(|_| ()).context("the delivery-worker ended"),
        failed = process::http(listener, ops::routes(&serving.health, serving.recorder.clone())) => failed,
    };
    serving.shutdown.cancel();
    log.flush(FLUSH).await;
    done
}

pub(super) async fn persister(config: Config) -> Result<()> {
    let name = slices::name(&config.persister.name);
    let mut process = Process::begin(parlor_persister::ROLE)?;
    let log = process.prepare(kafka(slices::kafka(&config, &name))).await?;
    let receipts = process.prepare(kafka(slices::receipts(&config, &name))).await?;
    let store = process.prepare(postgres(&config)).await?;
    let blobs = blobs::configured(&config)?;
    let (consuming, noting) = (consume::Health::new(), consume::Health::new());
    let mut dependencies = vec![
        Dependency::needed("kafka", check_log(&log)),
        Dependency::needed("postgres", check_store(&(store.clone() as Arc<dyn Store>))),
        Dependency::needed("consumer", check_consumer(&consuming)),
        // Without it receipts are late in the store, and nothing else.
        Dependency::helpful("receipts", check_consumer(&noting)),
    ];
    dependencies.extend(blobs.iter().map(|blobs| Dependency::helpful("files", check_blobs(blobs))));
    let serving = process.serve(&name, dependencies);
    let listener = process::listen("persister.listen", &config.persister.listen).await?;
    tracing::info!(name, address = config.persister.listen, "the persister works");
    let files = blobs.map(|blobs| Storage { files: store.clone(), blobs });
    let ports = parlor_persister::Ports { log: log.clone(), store: store.clone(), files, receipts, progress: store };
    let slice = slices::persister(&config, &name);
    let work = parlor_persister::run(slice, ports, consuming, noting, serving.shutdown.clone());
    let done = tokio::select! {
        done = work => done.context("the persister ended"),
        failed = process::http(listener, ops::routes(&serving.health, serving.recorder.clone())) => failed,
    };
    serving.shutdown.cancel();
    log.flush(FLUSH).await;
    done
}

/// Makes topics and tables, or brings them up to date.
pub(super) async fn migrate(config: Config) -> Result<()> {
    for slice in [slices::kafka(&config, "migrate"), slices::receipts(&config, "migrate")] {
        let attempt = || async {
            match parlor_log::kafka::migrate(&slice).await {
                // Away: worth another try. Anything else is as it is.
                Err(TopicError::Kafka(reason)) => Err(parlor_core::ports::Unavailable::new("kafka", reason)),
                other => Ok(other),
            }
        };
        let migrated = process::patiently("kafka.brokers: the topics cannot be made", attempt).await?;
        let migrated = migrated.context("kafka: the topic is not as it must be")?;
        match migrated.created.as_slice() {
            [] => println!("kafka: {} is there", slice.topic()),
            created => println!("kafka: made {}", created.join(", ")),
        }
    }
    let slice = slices::postgres(&config);
    let attempt = || parlor_store::postgres::major_version(&slice);
    new_enough(process::patiently("postgres.url: the server cannot be asked", attempt).await?)?;
    let attempt = || parlor_store::postgres::migrate(&slice);
    process::patiently("postgres.url: the tables cannot be made", attempt).await?;
    println!("postgres: up to date");
    Ok(())
}

/// Refuses a PostgreSQL that is too old, before anything is made there.
fn new_enough(found: u32) -> Result<()> {
    let oldest = parlor_store::postgres::OLDEST;
    ensure!(found >= oldest, "postgres.url: the server is PostgreSQL {found}; Parlor needs {oldest} or newer");
    Ok(())
}

/// Takes months that ended `months` or more ago out of PostgreSQL's live table; with `dry_run` it only says which.
pub(crate) async fn archive(config: &Config, months: u32, dry_run: bool) -> Result<Archive> {
    let archived = parlor_store::postgres::archive(&slices::postgres(config), months, dry_run).await;
    archived.context("postgres.url: messages cannot be archived")
}

/// What an operator may look into. Either may be away.
pub(crate) async fn inspected(config: &Config) -> Result<(Arc<Redis>, Arc<Postgres>)> {
    Ok((redis(config).await?, postgres(config).await?))
}

async fn kafka(slice: parlor_log::kafka::Config) -> Result<Arc<dyn Log>> {
    let attempt = || KafkaLog::connect(slice.clone());
    Ok(process::patiently("kafka.brokers: the log cannot be used", attempt).await?)
}

/// Does not wait for Redis: a gateway takes sends without it.
async fn redis(config: &Config) -> Result<Arc<Redis>> {
    Redis::connect(slices::redis(config)).await.context("redis.url")
}

/// Does not wait for PostgreSQL.
async fn postgres(config: &Config) -> Result<Arc<Postgres>> {
    Postgres::connect(slices::postgres(config)).await.context("postgres.url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgresql_that_is_too_old_is_refused_with_what_is_needed() {
        new_enough(14).expect("what the documents ask for at least");
        new_enough(15).expect("what the tests run on");
        let said = new_enough(13).expect_err("too old").to_string();
        assert!(said.contains("PostgreSQL 13") && said.contains("14 or newer"), "{said}");
    }
}
