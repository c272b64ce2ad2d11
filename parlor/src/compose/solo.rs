//! All roles in one process: the same code on SQLite files and memory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use parlor_core::consume;
use parlor_core::ids::Partition;
use parlor_core::ports::blobs::Blobs;
use parlor_core::ports::fanout::Fanout;
use parlor_core::ports::files::Storage;
use parlor_core::ports::log::{Log, Position};
use parlor_core::ports::store::Store;
use parlor_fanout::memory::Memory;
use parlor_log::sqlite::SqliteLog;
use parlor_store::sqlite::Sqlite;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::checks::{check_blobs, check_consumer, check_fanout, check_log, check_store};
use super::process::{self, FLUSH, Process};
use super::{blobs, front, push, slices};
use crate::config::Config;
use crate::ops::Dependency;

/// One process has no use for more (DESIGN.md §5).
const PARTITIONS: u32 = 4;
/// The longest that a restart waits for the replay.
const REPLAYING: Duration = Duration::from_secs(10);
/// The name of the gateway in sids, and of the consumers in their groups.
const NAME: &str = "solo";

pub(super) async fn run(config: Config) -> Result<()> {
    let mut process = Process::begin("solo")?;
    let folder = PathBuf::from(&config.solo.data_dir);
    // Held to the end.
    let _alone = lock(&folder)?;
    let log = process.prepare(open_log(&folder, "log.sqlite")).await?;
    let receipts = process.prepare(open_log(&folder, "receipts.sqlite")).await?;
    let sqlite = process.prepare(open_store(&config, &folder)).await?;
    let store: Arc<dyn Store> = sqlite.clone();
    let blobs = open_blobs(&config, &folder)?;
    let files = Storage { files: sqlite.clone(), blobs: blobs.clone() };
    let providers = push::providers(&config)?;
    let memory = Memory::new(slices::memory(&config));
    let (delivering, persisting) = (consume::Health::new(), consume::Health::new());
    let (noting, pushing, counting) = (consume::Health::new(), consume::Health::new(), consume::Health::new());
    let mut dependencies = vec![
        Dependency::needed("log", check_log(&log)),
        Dependency::needed("memory", check_fanout(&memory)),
        Dependency::needed("store", check_store(&store)),
        Dependency::helpful("files", check_blobs(&blobs)),
        Dependency::needed("delivery-worker", check_consumer(&delivering)),
        Dependency::needed("persister", check_consumer(&persisting)),
        Dependency::helpful("topics", check_consumer(&counting)),
        Dependency::helpful("receipts", check_consumer(&noting)),
    ];
    if !providers.is_empty() {
        dependencies.push(Dependency::helpful("push", check_consumer(&pushing)));
    }
    let listener = process::listen("gateway.listen", &config.gateway.listen).await?;
    let serving = process.serve(NAME, dependencies);
    let ports = parlor_gateway::Ports {
        log: log.clone(),
        fanout: memory.clone(),
        presence: memory.clone(),
        limits: memory.clone(),
        sessions: memory.clone(),
        topics: memory.clone(),
        search: sqlite.clone(),
        store: store.clone(),
        files: Some(files.clone()),
        safety: sqlite.clone(),
        devices: sqlite.clone(),
        keys: sqlite.clone(),
        accounts: sqlite.clone(),
        receipts: receipts.clone(),
        pointers: memory.clone(),
        progress: sqlite.clone(),
        contacts: sqlite.clone(),
    };
    let (gateway, routes) = front::make(&config, NAME, ports, &serving, "memory")?;

    // The gateway ends first, so that what it took last is still delivered and stored; a consumer that ends by itself
    // ends the gateway.
    let (shutdown, consuming) = (serving.shutdown.clone(), CancellationToken::new());
    let served = {
        let (end, consuming) = (shutdown.clone(), consuming.clone());
        let (log, memory) = (log.clone(), memory.clone());
        tokio::spawn(async move {
            let _then = consuming.drop_guard();
            if tokio::time::timeout(REPLAYING, replayed(&*log, &*memory)).await.is_err() {
                tracing::warn!("what was said before the restart is still being replayed; devices may hear it again");
            }
            gateway.serve(listener, routes, end).await
        })
    };
    let pushed = {
        let ports = (!providers.is_empty()).then(|| parlor_delivery_worker::push::Ports {
            log: log.clone(),
            presence: memory.clone(),
            devices: sqlite.clone(),
            providers,
        });
        let slice = slices::push(&config, NAME);
        let (end, broken) = (consuming.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _then = broken.drop_guard();
            push::run(slice, ports, pushing, end).await
        })
    };
    let counted = {
        let (log, topics, fanout) = (log.clone(), memory.clone(), memory.clone());
        let ports = parlor_delivery_worker::TopicsPorts { log, topics, fanout };
        let slice = slices::topics(&config, NAME);
        let (end, broken) = (consuming.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _then = broken.drop_guard();
            parlor_delivery_worker::run_topics(slice, ports, counting, end).await
        })
    };
    let delivered = {
        let ports = parlor_delivery_worker::Ports { log: log.clone(), fanout: memory };
        let slice = slices::delivery_worker(&config, NAME);
        let (end, broken) = (consuming.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _then = broken.drop_guard();
            parlor_delivery_worker::run(slice, ports, delivering, end).await
        })
    };
    let persisted = {
        let (log, receipts) = (log.clone(), receipts.clone());
        let ports = parlor_persister::Ports { log, store, files: Some(files), receipts, progress: sqlite };
        let slice = slices::persister(&config, NAME);
        tokio::spawn(async move {
            let _then = shutdown.drop_guard();
            parlor_persister::run(slice, ports, persisting, noting, consuming).await
        })
    };
    tracing::info!(data = config.solo.data_dir, "parlor runs at http://{}", config.gateway.listen);
    let results = [
        ended("gateway", served).await,
        ended("delivery-worker", delivered).await,
        ended("topics", counted).await,
        ended("persister", persisted).await,
        ended("push", pushed).await,
    ];
    log.flush(FLUSH).await;
    receipts.flush(FLUSH).await;
    results.into_iter().collect()
}

/// Waits until the delivery-worker has gone over what the log holds. Memory forgets with the process, so after a restart
/// the last minute is replayed; who comes in before that is over would be shown again what they have.
async fn replayed(log: &dyn Log, fanout: &dyn Fanout) {
    for partition in (0..log.partitions()).map(Partition) {
        let Ok(ends) = log.ends(partition).await else { continue };
        let reached = |position: Option<Position>| position.is_some_and(|position| position.offset.next() >= ends.next);
        while !fanout.position(partition).await.is_ok_and(reached) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn ended<E: Into<anyhow::Error>>(role: &str, task: JoinHandle<Result<(), E>>) -> Result<()> {
    match task.await {
        Ok(done) => done.map_err(Into::into).with_context(|| format!("the {role} ended")),
        Err(panic) => Err(anyhow!(panic)).with_context(|| format!("the {role} failed")),
    }
}

/// Makes the folder, and keeps other processes out of it.
fn lock(folder: &Path) -> Result<File> {
    let shown = folder.display();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{shown} cannot be made; choose another folder with --data-dir"))?;
    let file = File::create(folder.join("lock")).with_context(|| format!("{shown} cannot be written to"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another parlor works in {shown}; end it, or choose another folder with --data-dir")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{shown} cannot be locked")),
    }
}

async fn open_log(folder: &Path, name: &str) -> Result<Arc<dyn Log>> {
    let file = folder.join(name);
    let log = SqliteLog::open(&file, PARTITIONS).await;
    Ok(log.with_context(|| format!("{} cannot be used; remove {} to begin anew", file.display(), folder.display()))?)
}

/// Where it was configured, else beside the rest.
fn open_blobs(config: &Config, folder: &Path) -> Result<Arc<dyn Blobs>> {
    match config.files.folder.as_str() {
        "" => blobs::folder(&folder.join("files")),
        other => blobs::folder(Path::new(other)),
    }
}

async fn open_store(config: &Config, folder: &Path) -> Result<Arc<Sqlite>> {
    let file = folder.join("store.sqlite");
    let store = Sqlite::open_telling(&file, config.log.slow_query.0).await;
    store.with_context(|| format!("{} cannot be used; remove {} to begin anew", file.display(), folder.display()))
}
