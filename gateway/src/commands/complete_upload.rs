//! A file's bytes are there, says the client: they are put where no client can change them, and checked.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId};
use parlor_core::ports::blobs::Key;
use parlor_core::ports::files::{Stage, Storage};
use parlor_core::time::Timestamp;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::files::{self, ADDRESS_LASTS};
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, upload: FileId, reply: Reply) {
    // To its end whether or not the client waits: what was copied is kept or removed.
    let (sharing, caller) = (shared.clone(), caller.clone());
    let completed = tokio::spawn(async move { complete(&sharing, &caller, upload).await }).await;
    match completed {
        Ok(Ok(file)) => {
            let expires = Timestamp::now().plus_millis(i64::try_from(ADDRESS_LASTS.as_millis()).unwrap_or(i64::MAX));
            let url = shared.addresses.get(&file, &file.owner, expires);
            reply.ok(&Answer::UploadComplete { file: &file, url: &url });
        }
        Ok(Err(error)) => reply.refuse(&error),
        Err(panic) => {
            tracing::error!(%panic, "an upload could not be completed");
            reply.refuse(&ChatError::new(Code::Internal, "the upload could not be completed"));
        }
    }
}

async fn complete(shared: &Arc<Shared>, caller: &Caller, upload: FileId) -> Result<File, ChatError> {
    let storage = files::storage(shared)?;
    let found = storage.files.file(upload).await.map_err(files::busy)?;
    let Some((file, stage)) = found.filter(|(file, _)| file.owner == caller.user.id) else {
        return Err(ChatError::not_found("upload"));
    };
    if stage != Stage::Declared {
        return Ok(file);
    }
    // Bytes of this attempt's own: whoever still has the upload's address, or completes it twice at once, changes
    // nothing of what is checked here.
    let blob = BlobId::now();
    let (incoming, settled) = (Key::incoming(upload), Key::settled(blob));
    if !storage.blobs.copy(&incoming, &settled).await.map_err(files::busy)? {
        return Err(ChatError::new(Code::Conflict, "the file's bytes are not there yet: PUT them first"));
    }
    let holds = settle(shared, storage, &file, blob).await;
    if !matches!(holds, Ok(Some(held)) if held == blob) {
        files::discard(storage, &settled).await;
    }
    match holds {
        Ok(Some(_)) => {
            files::discard(storage, &incoming).await;
            Ok(file)
        }
        Ok(None) => Err(ChatError::not_found("upload")),
        Err(error) => Err(error),
    }
}

/// Checks the bytes and notes that they hold. Those that are not what was declared end the upload.
async fn settle(
    shared: &Arc<Shared>,
    storage: &Storage,
    file: &File,
    blob: BlobId,
) -> Result<Option<BlobId>, ChatError> {
    if let Err(error) = files::check(&*storage.blobs, &Key::settled(blob), file).await {
        if !error.code.retryable() && storage.files.cancel(file.id, &file.owner).await.map_err(files::busy)? {
            files::failed(shared, file, &error).await;
            files::discard(storage, &Key::incoming(file.id)).await;
        }
        return Err(error);
    }
    storage.files.complete(file.id, blob).await.map_err(files::busy)
}
