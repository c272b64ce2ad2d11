//! Removes what was said in deleted rooms, some at a time.

use parlor_core::ports::Unavailable;
use sqlx::{query, query_scalar};

use super::pool::Pool;
use crate::emptying::{LATE_DAYS, ROWS, STEPS};

/// Messages with their reactions and pins. Rows that another process removes just now are its.
const MESSAGES: &str = "\
    WITH gone AS (DELETE FROM messages WHERE (id, time) IN ( \
            SELECT m.id, m.time FROM rooms r \
            CROSS JOIN LATERAL (SELECT id, time FROM messages WHERE room_id = r.id LIMIT $1 FOR UPDATE SKIP LOCKED) m \
            WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT $1) \
        RETURNING id, room_id, marked), \
    unreacted AS (DELETE FROM reactions x USING gone g \
        WHERE g.marked AND x.message_id = g.id AND x.room_id = g.room_id), \
    unpinned AS (DELETE FROM pins x USING gone g \
        WHERE g.marked AND x.message_id = g.id AND x.room_id = g.room_id) \
    SELECT count(*) FROM gone";

/// Changes of messages: they hold what was written. Those of the room itself stay, for whoever comes back to hear what
/// became of it.
const CHANGES: &str = "\
    WITH gone AS (DELETE FROM room_changes WHERE (room_id, seq) IN ( \
            SELECT c.room_id, c.seq FROM rooms r CROSS JOIN LATERAL (SELECT room_id, seq FROM room_changes \
                WHERE room_id = r.id AND message_id IS NOT NULL LIMIT $1 FOR UPDATE SKIP LOCKED) c \
            WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT $1) RETURNING 1) \
    SELECT count(*) FROM gone";

/// Files that its messages referred to are orphans from now on, and who referred to them is forgotten.
const FILES: &str = "\
    WITH gone AS (UPDATE files SET message_id = NULL, reserved_at = NULL WHERE id IN ( \
            SELECT f.id FROM rooms r CROSS JOIN LATERAL (SELECT id FROM files \
                WHERE room_id = r.id AND message_id IS NOT NULL LIMIT $1 FOR UPDATE SKIP LOCKED) f \
            WHERE r.deleted_at IS NOT NULL AND NOT r.emptied LIMIT $1) RETURNING id), \
    uncarried AS (DELETE FROM file_messages c USING gone g WHERE c.file_id = g.id) \
    SELECT count(*) FROM gone";

/// Removes what there is, at most [`STEPS`] times [`ROWS`] of each kind.
pub(super) async fn empty(pool: &Pool) -> Result<(), Unavailable> {
    let mut connection = pool.get().await?;
    for kind in [MESSAGES, CHANGES, FILES] {
        let mut steps = 0;
        loop {
            let gone: i64 = query_scalar(kind).bind(ROWS).fetch_one(&mut *connection).await.map_err(Pool::error)?;
            if gone < ROWS {
                break;
            }
            steps += 1;
            if steps >= STEPS {
                return Ok(());
            }
        }
    }
    const DONE: &str = "\
        UPDATE rooms r SET emptied = true WHERE r.deleted_at < now() - make_interval(days => $1) AND NOT r.emptied \
            AND NOT EXISTS (SELECT FROM messages WHERE room_id = r.id)";
    query(DONE).bind(LATE_DAYS).execute(&mut *connection).await.map_err(Pool::error)?;
    Ok(())
}
