//! What was read lately, by key, within a bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How often room is made at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// At most so many entries. Where one more would be too many, the tenth that was read longest ago goes, at most once a
/// second; until then what is new is not kept, and is read again when it is needed.
pub(crate) struct Kept<K, V> {
    entries: HashMap<K, V>,
    capacity: usize,
    /// When an entry was read.
    read: fn(&V) -> Instant,
    swept: Option<Instant>,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    pub(crate) fn new(capacity: usize, read: fn(&V) -> Instant) -> Self {
        Self { entries: HashMap::new(), capacity, read, swept: None }
    }

    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key);
    }

    /// Keeps an entry in the place of the one before, if there is room.
    pub(crate) fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
                self.swept = Some(now);
                self.make_room();
            }
            if self.entries.len() >= self.capacity {
                return;
            }
        }
        self.entries.insert(key, value);
    }

    fn make_room(&mut self) {
        let read = self.read;
        let mut ages: Vec<Instant> = self.entries.values().map(read).collect();
        let mut excess = (self.capacity / 10).max(1).min(ages.len());
        let Some(last) = excess.checked_sub(1) else { return };
        let (_, &mut oldest, _) = ages.select_nth_unstable(last);
        self.entries.retain(|_, value| {
            let goes = excess > 0 && read(value) <= oldest;
            excess -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_tenth_makes_room_at_most_once_a_second() {
        let begin = Instant::now();
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let mut kept = Kept::new(100, |read: &Instant| *read);
        let here = |kept: &Kept<u64, Instant>| {
            let mut keys: Vec<u64> = kept.entries.keys().copied().collect();
            keys.sort_unstable();
            keys
        };
        for key in 0..100 {
            kept.insert(key, at(key), at(key));
        }
        // One that is there takes nobody's place.
        kept.insert(3, at(100), at(100));
        assert_eq!(here(&kept).len(), 100);
        kept.insert(100, at(101), at(101));
        let mut expected: Vec<u64> = (11..=100).collect();
        expected.insert(0, 3);
        assert_eq!(here(&kept), expected, "the ten that were read longest ago are gone");
        for key in 101..500 {
            kept.insert(key, at(102), at(102));
        }
        assert_eq!(here(&kept).len(), 100, "never more, and no second look within a second");
        assert!(kept.get(&11).is_some() && kept.get(&499).is_none());
        kept.insert(499, at(1_101), at(1_101));
        assert_eq!(here(&kept).len(), 91);
        assert!(kept.get(&11).is_none() && kept.get(&499).is_some());
    }

    #[test]
    fn of_entries_that_are_equally_old_no_more_go_than_need_to() {
        let now = Instant::now();
        let mut kept = Kept::new(100, |read: &Instant| *read);
        (0..101).for_each(|key| kept.insert(key, now, now));
        assert_eq!(kept.entries.len(), 91);
    }
}
