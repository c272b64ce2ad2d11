use std::sync::Arc;

use async_trait::async_trait;
use metrics::{Counter, counter};
use parlor_core::consume::{Outcome, Sink, SinkError};
use parlor_core::ids::Partition;
use parlor_core::ports::log::{Position, Record};
use parlor_core::ports::store::{ApplyError, Store, Stored};

/// The store as a sink: rows and the place reached are written in one transaction, which is also the fence.
pub struct StoreSink {
    store: Arc<dyn Store>,
    messages: Counter,
}

impl StoreSink {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, messages: counter!("parlor_messages_stored_total") }
    }
}

#[async_trait]
impl Sink for StoreSink {
    /// The store never forgets, so there is nothing to claim.
    async fn position(&self, partition: Partition, _applied: Option<Position>) -> Result<Position, SinkError> {
        Ok(self.store.position(partition).await?)
    }

    async fn apply(&self, partition: Partition, previous: Position, records: &[Record]) -> Result<Outcome, SinkError> {
        match self.store.apply(partition, previous, records).await {
            Ok(Stored::Done { position, messages, duplicates }) => {
                self.messages.increment(u64::try_from(messages).unwrap_or(u64::MAX));
                Ok(Outcome::Applied { position, duplicates })
            }
            Ok(Stored::Elsewhere(position)) => Ok(Outcome::Elsewhere(Some(position))),
            Err(ApplyError::Unavailable(away)) => Err(SinkError::Unavailable(away)),
            Err(ApplyError::Poison(reason)) => Err(SinkError::Poison(reason)),
        }
    }

    fn remedy(&self) -> &'static str {
        "Nothing was stored. If this log is the right one and what lies between is given up, set the partition's row \
         in the table `applied` to the offset before the log's first record, with digest 0. If the topic was made anew, \
         raise the log's generation first, or new messages will sort below old ones; if the database was restored \
         beside another cluster's log, connect it to its own"
    }
}
