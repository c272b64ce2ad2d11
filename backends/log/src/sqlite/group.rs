//! Who owns which partition. A partition changes hands in two steps, as in Kafka's cooperative rebalance: the owner is
//! told and lets go, then the next one gets it, so that no two own it at once.

use std::collections::{BTreeSet, HashMap};

use parlor_core::ids::Partition;

use crate::partition_at;

/// A member's number: rises with every join, so that one that was replaced is not taken for its successor.
pub(super) type MemberId = u64;

/// Every group of this log.
pub(super) struct Groups {
    partitions: u32,
    groups: HashMap<String, Group>,
    joined: MemberId,
}

struct Group {
    /// In the order of joining.
    members: Vec<(MemberId, String)>,
    owners: Vec<Option<MemberId>>,
}

/// What a member has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    /// Another member joined under the same name.
    Replaced,
}

impl Groups {
    pub(super) fn new(partitions: u32) -> Self {
        Self { partitions, groups: HashMap::new(), joined: 0 }
    }

    /// A new member. One of the same name is replaced at once.
    pub(super) fn join(&mut self, group: &str, instance: &str) -> MemberId {
        self.joined += 1;
        let partitions = self.partitions;
        let group = self
            .groups
            .entry(group.to_owned())
            .or_insert_with(|| Group { members: Vec::new(), owners: (0..partitions).map(|_| None).collect() });
        group.members.retain(|(_, name)| name != instance);
        group.members.push((self.joined, instance.to_owned()));
        group.settle();
        self.joined
    }

    /// A member leaves; its partitions go to the others.
    pub(super) fn leave(&mut self, group: &str, member: MemberId) {
        if let Some(found) = self.groups.get_mut(group) {
            found.members.retain(|(id, _)| *id != member);
            found.settle();
            if found.members.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    /// Whether the member owns the partition now.
    pub(super) fn owns(&self, group: &str, member: MemberId, partition: Partition) -> bool {
        let owners = self.groups.get(group).map(|group| &group.owners);
        owners.and_then(|owners| owners.get(crate::index_of(partition))) == Some(&Some(member))
    }

    /// What has changed for a member that believes it owns `mine`, which is brought up to date. What it must give up is
    /// given up here and now.
    pub(super) fn change(&mut self, group: &str, member: MemberId, mine: &mut BTreeSet<Partition>) -> Option<Change> {
        let Some(group) = self.groups.get_mut(group).filter(|group| group.has(member)) else {
            return Some(Change::Replaced);
        };
        let mut revoked = Vec::new();
        let mut assigned = Vec::new();
        for index in 0..group.owners.len() {
            let partition = partition_at(index);
            let owned = group.owners[index] == Some(member);
            if owned && group.target(index) != Some(member) {
                group.owners[index] = None;
                if mine.remove(&partition) {
                    revoked.push(partition);
                }
            } else if owned && !mine.contains(&partition) {
                assigned.push(partition);
            }
        }
        group.settle();
        if !revoked.is_empty() {
            return Some(Change::Revoked(revoked));
        }
        mine.extend(assigned.iter().copied());
        (!assigned.is_empty()).then_some(Change::Assigned(assigned))
    }
}

impl Group {
    fn has(&self, member: MemberId) -> bool {
        self.members.iter().any(|(id, _)| *id == member)
    }

    fn target(&self, index: usize) -> Option<MemberId> {
        self.members.get(index % self.members.len().max(1)).map(|(id, _)| *id)
    }

    /// Gives what nobody has to whom it belongs.
    fn settle(&mut self) {
        for index in 0..self.owners.len() {
            if !self.owners[index].is_some_and(|owner| self.has(owner)) {
                self.owners[index] = self.target(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(numbers: &[u32]) -> Vec<Partition> {
        numbers.iter().copied().map(Partition).collect()
    }

    #[test]
    fn a_partition_is_given_on_only_after_its_owner_let_go() {
        let mut groups = Groups::new(4);
        let (mut of_a, mut of_b) = (BTreeSet::new(), BTreeSet::new());
        let a = groups.join("g", "a");
        assert_eq!(groups.change("g", a, &mut of_a), Some(Change::Assigned(parts(&[0, 1, 2, 3]))));
        let b = groups.join("g", "b");
        assert_eq!(groups.change("g", b, &mut of_b), None, "a still has them");
        assert_eq!(groups.change("g", a, &mut of_a), Some(Change::Revoked(parts(&[1, 3]))));
        assert_eq!(groups.change("g", b, &mut of_b), Some(Change::Assigned(parts(&[1, 3]))));
        groups.leave("g", b);
        assert_eq!(groups.change("g", a, &mut of_a), Some(Change::Assigned(parts(&[1, 3]))));
        assert!(groups.owns("g", a, Partition(3)) && !groups.owns("g", b, Partition(3)));
    }

    #[test]
    fn a_second_member_of_the_same_name_replaces_the_first() {
        let mut groups = Groups::new(2);
        let first = groups.join("g", "a");
        let second = groups.join("g", "a");
        assert_eq!(groups.change("g", first, &mut BTreeSet::new()), Some(Change::Replaced));
        assert_eq!(groups.change("g", second, &mut BTreeSet::new()), Some(Change::Assigned(parts(&[0, 1]))));
    }
}
