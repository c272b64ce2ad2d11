//! Bytes on their way into an object store: counted, bounded, and all or nothing.

use futures_util::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart, path::Path};
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::{Pieces, PutError};

/// Parts on their way at once; the client waits for them.
const PARTS: usize = 2;

/// Writes exactly `size` bytes in parts of `part` bytes; what fits into one part is written at once.
pub(crate) async fn pour(
    store: &dyn ObjectStore,
    name: &'static str,
    part: usize,
    path: &Path,
    size: u64,
    pieces: Pieces,
) -> Result<(), PutError> {
    match usize::try_from(size) {
        Ok(size) if size <= part => at_once(store, name, path, size, pieces).await,
        _ => in_parts(store, name, part, path, size, pieces).await,
    }
}

async fn at_once(
    store: &dyn ObjectStore,
    name: &'static str,
    path: &Path,
    size: usize,
    mut pieces: Pieces,
) -> Result<(), PutError> {
    let mut bytes = Vec::with_capacity(size);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| PutError::Short(error.to_string()))?;
        if bytes.len() + piece.len() > size {
            return Err(PutError::TooLong);
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() < size {
        return Err(short(bytes.len() as u64, size as u64));
    }
    store.put(path, PutPayload::from(bytes)).await.map_err(|error| Unavailable::new(name, error))?;
    Ok(())
}

async fn in_parts(
    store: &dyn ObjectStore,
    name: &'static str,
    part: usize,
    path: &Path,
    size: u64,
    pieces: Pieces,
) -> Result<(), PutError> {
    let away = |error| Unavailable::new(name, error);
    let upload = store.put_multipart(path).await.map_err(away)?;
    let mut parts = WriteMultipart::new_with_chunk_size(upload, part);
    if let Err(error) = fill(&mut parts, name, size, pieces).await {
        // What was begun is no longer wanted; a server that is away forgets it by the bucket's own rules.
        let _ = parts.abort().await;
        return Err(error);
    }
    parts.finish().await.map_err(away)?;
    Ok(())
}

async fn fill(parts: &mut WriteMultipart, name: &'static str, size: u64, mut pieces: Pieces) -> Result<(), PutError> {
    let mut came: u64 = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| PutError::Short(error.to_string()))?;
        came = came.saturating_add(piece.len() as u64);
        if came > size {
            return Err(PutError::TooLong);
        }
        parts.wait_for_capacity(PARTS).await.map_err(|error| Unavailable::new(name, error))?;
        parts.put(piece);
    }
    if came < size { Err(short(came, size)) } else { Ok(()) }
}

fn short(came: u64, size: u64) -> PutError {
    PutError::Short(format!("{came} of {size} bytes came"))
}
