//! A file is not wanted after all: it is forgotten with its bytes, unless a message refers to it.

use std::sync::Arc;

use parlor_core::error::{ChatError, Code};
use parlor_core::ids::FileId;
use parlor_core::ports::blobs::Key;
use parlor_core::ports::files::Stage;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::files;
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, upload: FileId, reply: Reply) {
    reply.settle(cancel(shared, caller, upload).await.map(|()| Answer::Done));
}

async fn cancel(shared: &Arc<Shared>, caller: &Caller, upload: FileId) -> Result<(), ChatError> {
    let storage = files::storage(shared)?;
    let found = storage.files.file(upload).await.map_err(files::busy)?;
    let Some((file, stage)) = found.filter(|(file, _)| file.owner == caller.user.id) else {
        return Err(ChatError::not_found("upload"));
    };
    if !storage.files.cancel(upload, &file.owner).await.map_err(files::busy)? {
        return Err(ChatError::new(Code::Conflict, "a message refers to the file, or may be about to"));
    }
    files::discard(storage, &Key::incoming(upload)).await;
    if let Stage::Complete(blob) = stage {
        files::discard(storage, &Key::settled(blob)).await;
    }
    Ok(())
}
