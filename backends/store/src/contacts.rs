//! What both databases do with "last seen" in the same way.

use std::collections::{BTreeMap, HashMap};

use parlor_core::ids::UserId;
use parlor_core::time::Timestamp;

use crate::at::At;

/// Each user once, with the latest time.
pub(crate) fn latest(users: &[(UserId, Timestamp)]) -> BTreeMap<&UserId, Timestamp> {
    let mut latest = BTreeMap::new();
    for (user, at) in users {
        let known = latest.entry(user).or_insert(*at);
        *known = (*known).max(*at);
    }
    latest
}

/// Times in the order asked for.
pub(crate) fn told(asked: &[UserId], found: Vec<(String, At)>) -> Vec<Option<Timestamp>> {
    let found: HashMap<String, At> = found.into_iter().collect();
    asked.iter().map(|user| found.get(user.as_str()).map(|at| at.0)).collect()
}
