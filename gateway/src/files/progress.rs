//! How far an upload through this gateway is, told to the user's sockets wherever they are.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parlor_core::event::Ephemeral;
use parlor_core::file::File;
use parlor_core::ids::RoomId;
use parlor_core::ports::blobs::Pieces;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Shared;

/// Between two reports of one upload.
const PACE: Duration = Duration::from_millis(250);

/// Reports of one upload.
pub(crate) struct Progress {
    loaded: watch::Sender<u64>,
    telling: JoinHandle<()>,
}

impl Progress {
    /// Begins to report.
    pub(crate) fn of(shared: &Arc<Shared>, file: &File) -> Self {
        let (loaded, seen) = watch::channel(0);
        Self { loaded, telling: tokio::spawn(tell(shared.clone(), file.clone(), seen)) }
    }

    /// The same bytes, counted as they pass.
    pub(crate) fn count(&self, pieces: Pieces) -> Pieces {
        let loaded = self.loaded.clone();
        let counted = pieces.inspect(move |piece| {
            if let Ok(piece) = piece {
                loaded.send_modify(|loaded| *loaded += piece.len() as u64);
            }
        });
        counted.boxed()
    }

    /// The bytes have all passed: how far it came is told before this returns.
    pub(crate) async fn end(self) {
        drop(self.loaded);
        // It ends by itself; a panic there is nothing to the upload.
        let _ = self.telling.await;
    }
}

/// Tells the newest count at a pace, and the last one.
async fn tell(shared: Arc<Shared>, file: File, mut seen: watch::Receiver<u64>) {
    let (inbox, mut told) = (RoomId::inbox(&file.owner), 0);
    loop {
        let more = seen.changed().await.is_ok();
        let loaded = *seen.borrow_and_update();
        if loaded > told {
            told = loaded;
            let news = Ephemeral::UploadProgress { upload: file.id, loaded, total: file.size };
            if let Err(error) = shared.ports.fanout.publish(&inbox, &news).await {
                tracing::debug!(%error, "an upload's progress could not be told");
            }
        }
        if !more {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}
