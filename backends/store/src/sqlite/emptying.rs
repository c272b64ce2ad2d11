//! Removes what was said in deleted rooms, some at a time.

use parlor_core::ports::Unavailable;
use parlor_core::time::Timestamp;
use sqlx::query;

use super::pools::{Pools, error};
use crate::at::At;
use crate::emptying::{LATE_DAYS, ROWS, STEPS};

/// Reactions and pins go by their messages, so before these.
const MARKS: [&str; 2] = [
    "DELETE FROM reactions WHERE room_id IN (SELECT id FROM rooms WHERE deleted_at IS NOT NULL AND NOT emptied)",
    "DELETE FROM pins WHERE room_id IN (SELECT id FROM rooms WHERE deleted_at IS NOT NULL AND NOT emptied)",
];

const MESSAGES: &str = "\
    DELETE FROM messages WHERE rowid IN (SELECT m.rowid FROM rooms r CROSS JOIN messages m ON m.room_id = r.id \
        WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT ?1)";

/// Changes of messages: they hold what was written. Those of the room itself stay, for whoever comes back to hear what
/// became of it.
const CHANGES: &str = "\
    DELETE FROM room_changes WHERE (room_id, seq) IN (SELECT c.room_id, c.seq FROM rooms r \
        CROSS JOIN room_changes c ON c.room_id = r.id AND c.message_id IS NOT NULL \
        WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT ?1)";

/// Who referred to its files is forgotten, before these are orphans.
const REFERENCES: &str = "\
    DELETE FROM file_messages WHERE (file_id, message_id) IN (SELECT c.file_id, c.message_id FROM rooms r \
        CROSS JOIN files f ON f.room_id = r.id CROSS JOIN file_messages c ON c.file_id = f.id \
        WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT ?1)";

/// Files that its messages referred to are orphans from now on.
const FILES: &str = "\
    UPDATE files SET message_id = NULL, reserved_at = NULL WHERE id IN (SELECT f.id FROM rooms r \
        CROSS JOIN files f ON f.room_id = r.id AND f.message_id IS NOT NULL \
        WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT ?1)";

const MILLIS_OF_A_DAY: i64 = 86_400_000;

/// Removes what there is, at most [`STEPS`] times [`ROWS`] of each kind. Others write between two steps.
pub(super) async fn empty(pools: &Pools) -> Result<(), Unavailable> {
    const ANY: &str = "SELECT 1 FROM rooms WHERE deleted_at IS NOT NULL AND NOT emptied LIMIT 1";
    if query(ANY).fetch_optional(&pools.readers).await.map_err(error)?.is_none() {
        return Ok(());
    }
    let emptying = async {
        let mut tx = pools.write().await?;
        for marks in MARKS {
            query(marks).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        for kind in [MESSAGES, CHANGES, REFERENCES, FILES] {
            let mut steps = 0;
            loop {
                let mut tx = pools.write().await?;
                let gone = query(kind).bind(ROWS).execute(&mut *tx).await?.rows_affected();
                tx.commit().await?;
                if gone < ROWS.unsigned_abs() {
                    break;
                }
                steps += 1;
                if steps >= STEPS {
                    return Ok(());
                }
            }
        }
        const DONE: &str = "\
            UPDATE rooms SET emptied = 1 WHERE deleted_at < ?1 AND NOT emptied \
                AND NOT EXISTS (SELECT 1 FROM messages WHERE room_id = rooms.id)";
        let late = Timestamp::now().plus_millis(-i64::from(LATE_DAYS) * MILLIS_OF_A_DAY);
        let mut tx = pools.write().await?;
        query(DONE).bind(At(late)).execute(&mut *tx).await?;
        tx.commit().await
    };
    emptying.await.map_err(error)
}
