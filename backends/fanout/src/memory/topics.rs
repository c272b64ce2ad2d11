//! [`Topics`] in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parlor_core::ids::{Partition, RoomId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::fanout::Applied;
use parlor_core::ports::log::Position;
use parlor_core::ports::topics::{Keep, Topics, Words};
use tokio::time::Instant;

use super::Memory;

/// How often rooms whose words are forgotten are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct State {
    positions: HashMap<Partition, Position>,
    /// Each room's words, and until when they live.
    rooms: HashMap<RoomId, (HashMap<String, u64>, Instant)>,
    swept: Option<Instant>,
}

impl State {
    fn count(&mut self, message: &Words, keep: Keep, now: Instant) {
        let until = now + keep.lives;
        let (scores, lives) = self.rooms.entry(message.room.clone()).or_insert_with(|| (HashMap::new(), until));
        if *lives <= now {
            scores.clear();
        }
        *lives = until;
        for (word, count) in &message.words {
            *scores.entry(word.clone()).or_default() += u64::from(*count);
        }
        if scores.len() > keep.words {
            for (word, _) in sorted(scores).split_off(keep.words) {
                scores.remove(&word);
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.rooms.retain(|_, (_, until)| *until > now);
        }
    }
}

/// The highest first.
fn sorted(scores: &HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut sorted: Vec<_> = scores.iter().map(|(word, score)| (word.clone(), *score)).collect();
    sorted.sort_by(|(one, a), (other, b)| b.cmp(a).then_with(|| one.cmp(other)));
    sorted
}

#[async_trait]
impl Topics for Memory {
    async fn counted(&self, partition: Partition) -> Result<Option<Position>, Unavailable> {
        self.reach().await?;
        Ok(self.shared.topics.lock().positions.get(&partition).copied())
    }

    async fn claim_counted(&self, partition: Partition, at: Position) -> Result<Position, Unavailable> {
        self.reach().await?;
        Ok(*self.shared.topics.lock().positions.entry(partition).or_insert(at))
    }

    async fn count(
        &self,
        partition: Partition,
        previous: Position,
        at: Position,
        said: &[Words],
        keep: Keep,
    ) -> Result<Applied, Unavailable> {
        self.reach().await?;
        let copies: Vec<bool> = {
            let fanout = self.shared.fanout.lock();
            said.iter().map(|message| fanout.seen(message.id).is_some_and(|seen| seen != message.seq)).collect()
        };
        let (mut state, now) = (self.shared.topics.lock(), Instant::now());
        state.sweep(now);
        let Some(held) = state.positions.get(&partition).copied() else { return Ok(Applied::Elsewhere(None)) };
        if held.offset >= at.offset {
            return Ok(Applied::Done { position: held, duplicates: 0 });
        }
        if held != previous {
            return Ok(Applied::Elsewhere(Some(held)));
        }
        for (message, _) in said.iter().zip(&copies).filter(|(_, copy)| !**copy) {
            state.count(message, keep, now);
        }
        state.positions.insert(partition, at);
        Ok(Applied::Done { position: at, duplicates: copies.iter().filter(|copy| **copy).count() })
    }

    async fn top(&self, room: &RoomId, limit: usize) -> Result<Vec<String>, Unavailable> {
        self.reach().await?;
        let state = self.shared.topics.lock();
        let Some((scores, _)) = state.rooms.get(room).filter(|(_, until)| *until > Instant::now()) else {
            return Ok(Vec::new());
        };
        let mut top = sorted(scores);
        top.truncate(limit);
        Ok(top.into_iter().map(|(word, _)| word).collect())
    }
}
