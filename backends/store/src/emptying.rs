//! How what was said in deleted rooms is removed: the same for both databases.

/// Rows removed by one statement.
pub(crate) const ROWS: i64 = 1_000;

/// Statements of one kind in one run of the upkeep: what is left then is for the next.
pub(crate) const STEPS: usize = 1_000;

/// For how long a deleted room is looked at again, in days: the log may still have messages that were on their way when
/// it was deleted, and a store that was away, or restored, applies them late.
pub(crate) const LATE_DAYS: i32 = 30;
