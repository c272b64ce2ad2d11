//! Who may read a file: its room's members, for as long as they are.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId, Seq};
use parlor_core::ports::files::Stage;

use super::{busy, storage};
use crate::Shared;
use crate::caller::Caller;
use crate::commands;

/// A complete file that the caller may read, with its bytes.
///
/// # Errors
/// `NotFound`, in the same words for a file that is not there, is not complete, or is not the caller's to know of.
pub(crate) async fn readable(shared: &Arc<Shared>, caller: &Caller, id: FileId) -> Result<(File, BlobId), ChatError> {
    let not_found = || ChatError::not_found("file");
    let found = storage(shared)?.files.file(id).await.map_err(busy)?;
    let Some((file, Stage::Complete(blob) | Stage::Referred(blob))) = found else { return Err(not_found()) };
    match commands::readable(shared, caller, &file.room).await {
        Ok(Seq::MAX) => Ok((file, blob)),
        // An ex-member's reading ends with their leaving, and a file is read now.
        Ok(_) => Err(not_found()),
        Err(error) if error.code.retryable() => Err(error),
        Err(_) => Err(not_found()),
    }
}
