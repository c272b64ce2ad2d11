//! What is the same for every object store: reading, copying, removing, and what is measured of each call.

use std::time::Instant;

use futures_util::StreamExt;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::{Key, Pieces};

/// An object store, and what an operator calls it.
pub(crate) struct Objects<S> {
    pub(crate) store: S,
    pub(crate) name: &'static str,
}

pub(crate) fn path(key: &Key) -> Path {
    Path::from(key.as_str())
}

impl<S: ObjectStore> Objects<S> {
    fn away(&self, error: Error) -> Unavailable {
        Unavailable::new(self.name, error)
    }

    /// "Not found" is an answer; any other error is not.
    fn found<T>(&self, answer: Result<T, Error>) -> Result<Option<T>, Unavailable> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.away(error)),
        }
    }

    pub(crate) async fn size(&self, key: &Key) -> Result<Option<u64>, Unavailable> {
        let found = self.found(self.store.head(&path(key)).await)?;
        Ok(found.map(|meta| meta.size))
    }

    pub(crate) async fn read(&self, key: &Key, from: u64, to: u64) -> Result<Option<Pieces>, Unavailable> {
        // To the end is said so: servers refuse an end that is no file's.
        let range = if to > i64::MAX.unsigned_abs() { GetRange::Offset(from) } else { GetRange::Bounded(from..to) };
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let found = self.found(self.store.get_opts(&path(key), options).await)?;
        Ok(found.map(|got| got.into_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed()))
    }

    pub(crate) async fn copy(&self, from: &Key, to: &Key) -> Result<bool, Unavailable> {
        Ok(self.found(self.store.copy(&path(from), &path(to)).await)?.is_some())
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<(), Unavailable> {
        self.found(self.store.delete(&path(key)).await)?;
        Ok(())
    }

    /// Runs a call and records how long it took and whether the store answered:
    /// `parlor_blobs_call_seconds{backend, call}` and `parlor_blobs_unavailable_total{backend, call}`.
    pub(crate) async fn timed<T, E: Refusal>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let answer = work.await;
        metrics::histogram!("parlor_blobs_call_seconds", "backend" => self.name, "call" => call)
            .record(started.elapsed().as_secs_f64());
        if answer.as_ref().is_err_and(Refusal::is_unavailable) {
            metrics::counter!("parlor_blobs_unavailable_total", "backend" => self.name, "call" => call).increment(1);
        }
        answer
    }
}

/// An error of the port.
pub(crate) trait Refusal {
    /// Whether the store was away, as opposed to an answer that the caller earned.
    fn is_unavailable(&self) -> bool;
}

impl Refusal for Unavailable {
    fn is_unavailable(&self) -> bool {
        true
    }
}

impl Refusal for parlor_core::ports::blobs::PutError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
