//! Blobs in a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::local::LocalFileSystem;
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::{Blobs, Key, Pieces, PutAddress, PutError};
use parlor_core::time::Timestamp;

use crate::objects::{Objects, path};
use crate::pour::pour;

/// As an operator calls it.
const NAME: &str = "folder";
/// Written at a time.
const PART: usize = 256 << 10;

/// Files in a folder: a blob each, readable once it is whole, on the disk once it was said to be there. Several gateways
/// may share a folder that several machines see.
pub struct Folder {
    objects: Objects<LocalFileSystem>,
    root: PathBuf,
}

impl Folder {
    /// Opens a folder, making it where it is missing.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(root: &Path) -> Result<Arc<Self>, Unavailable> {
        let away = |error: &dyn std::fmt::Display| Unavailable::new(NAME, format!("{}: {error}", root.display()));
        std::fs::create_dir_all(root).map_err(|error| away(&error))?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|error| away(&error))?.with_fsync(true);
        Ok(Arc::new(Self { objects: Objects { store, name: NAME }, root: root.to_owned() }))
    }
}

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, key: &Key, size: u64, pieces: Pieces) -> Result<(), PutError> {
        self.objects.timed("put", pour(&self.objects.store, NAME, PART, &path(key), size, pieces)).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, Unavailable> {
        self.objects.timed("size", self.objects.size(key)).await
    }

    async fn read(&self, key: &Key, from: u64, to: u64) -> Result<Option<Pieces>, Unavailable> {
        self.objects.timed("read", self.objects.read(key, from, to)).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<bool, Unavailable> {
        // A link to the same bytes; a later put makes a file of its own and changes none that is there.
        self.objects.timed("copy", self.objects.copy(from, to)).await
    }

    async fn remove(&self, key: &Key) -> Result<(), Unavailable> {
        self.objects.timed("remove", self.objects.remove(key)).await
    }

    async fn put_address(&self, _: &Key, _: u64, _: &str, _: Timestamp) -> Result<Option<PutAddress>, Unavailable> {
        Ok(None)
    }

    async fn get_address(&self, _: &Key, _: &str, _: &str, _: Duration) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }

    async fn check(&self) -> Result<(), Unavailable> {
        let root = self.root.clone();
        let looked = tokio::fs::metadata(&root).await;
        match looked {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Unavailable::new(NAME, format!("{} is no folder", root.display()))),
            Err(error) => Err(Unavailable::new(NAME, format!("{}: {error}", root.display()))),
        }
    }
}
