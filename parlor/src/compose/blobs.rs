//! Where the bytes of files are.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use parlor_blobs::{Folder, S3};
use parlor_core::ports::blobs::Blobs;

use super::slices;
use crate::config::Config;

/// The bucket or folder that is configured. `None`: neither is.
pub(super) fn configured(config: &Config) -> Result<Option<Arc<dyn Blobs>>> {
    if !config.files.bucket.is_empty() {
        let bucket = S3::new(&slices::bucket(config)).context("files.bucket cannot be used")?;
        return Ok(Some(bucket));
    }
    if config.files.folder.is_empty() {
        return Ok(None);
    }
    folder(Path::new(&config.files.folder)).map(Some)
}

/// A folder, the one that is configured or a process's own.
pub(super) fn folder(path: &Path) -> Result<Arc<dyn Blobs>> {
    let folder = Folder::open(path).context("files.folder cannot be used")?;
    Ok(folder)
}
