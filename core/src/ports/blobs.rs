//! Where the bytes of files lie. Who may read them, and whether they are what they say, is not known here.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::Unavailable;
use crate::ids::{BlobId, FileId};
use crate::time::Timestamp;

/// Bytes in pieces, as they come. An error ends them: what came before is not all there is.
pub type Pieces = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Bytes by key: written whole or not at all, never changed in place. No file is ever in memory as a whole.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Writes exactly `size` bytes under a key, in place of what was there.
    ///
    /// # Errors
    /// [`PutError`]: what was under the key before, if anything, is still there, and nothing of `pieces` can be read.
    async fn put(&self, key: &Key, size: u64, pieces: Pieces) -> Result<(), PutError>;

    /// How many bytes are under a key. `None`: there is no such key.
    async fn size(&self, key: &Key) -> Result<Option<u64>, Unavailable>;

    /// The bytes from `from` (inclusive) up to `to` (exclusive; clamped to the end), where `from` lies before the end.
    /// `None`: there is no such key.
    async fn read(&self, key: &Key, from: u64, to: u64) -> Result<Option<Pieces>, Unavailable>;

    /// Puts what is under `from` under `to` too, in place of what was there; a later [`Self::put`] to `from`, or a PUT
    /// to an address that [`Self::put_address`] gave for it, does not change it. False: there is no `from`.
    async fn copy(&self, from: &Key, to: &Key) -> Result<bool, Unavailable>;

    /// Removes a key, if it is there.
    async fn remove(&self, key: &Key) -> Result<(), Unavailable>;

    /// An address to which anybody may PUT exactly `size` bytes of that type under a key, until `expires`. The request
    /// must carry the headers that come with it. `None`: this implementation has no addresses, and bytes come through
    /// [`Self::put`].
    async fn put_address(
        &self,
        key: &Key,
        size: u64,
        mime: &str,
        expires: Timestamp,
    ) -> Result<Option<PutAddress>, Unavailable>;

    /// An address from which anybody may GET a key for so long. The answer carries `mime` as its `Content-Type` and
    /// `disposition` as its `Content-Disposition`, and serves ranges. `None`: this implementation has no addresses, and
    /// bytes go through [`Self::read`].
    async fn get_address(
        &self,
        key: &Key,
        mime: &str,
        disposition: &str,
        lasts: Duration,
    ) -> Result<Option<String>, Unavailable>;

    /// Whether it answers now, for readiness.
    async fn check(&self) -> Result<(), Unavailable>;
}

/// Where a file's bytes lie. Made of an id alone: no word of a client is ever part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Where the bytes of an upload arrive. Whoever has the upload's address may write here again until it expires.
    pub fn incoming(file: FileId) -> Self {
        Self(format!("incoming/{file}"))
    }

    /// Where bytes are verified, and then are for good.
    pub fn settled(blob: BlobId) -> Self {
        Self(format!("files/{blob}"))
    }

    /// The key: ASCII letters, digits, `-` and one `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a client may PUT bytes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAddress {
    /// The URL, with its signature.
    pub url: String,
    /// Headers that the request must carry, beside `Content-Length`, which every client sends.
    pub headers: Vec<(String, String)>,
}

/// Why [`Blobs::put`] wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There were more bytes than `size`. The rest was not read.
    #[error("more bytes came than were announced")]
    TooLong,
    /// The pieces ended before there were `size` bytes, in good order or by an error of their own.
    #[error("the bytes ended early: {0}")]
    Short(String),
    /// The disk or server is away, full, or refuses.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
