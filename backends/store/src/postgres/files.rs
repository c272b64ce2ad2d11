//! The records of files.

use async_trait::async_trait;
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId, MessageId, RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::files::{Files, Orphan, Stage};
use parlor_core::time::Timestamp;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::pool::Pool;
use super::{NAME, Postgres};
use crate::at::At;
use crate::batch::Batch;
use crate::calls::timed;
use crate::rows::{FileRow, OrphanRow, file_columns, limit};

#[async_trait]
impl Files for Postgres {
    async fn declare(&self, file: &File) -> Result<(), Unavailable> {
        timed(NAME, "declare_file", declare(&self.pool, file)).await
    }

    async fn file(&self, id: FileId) -> Result<Option<(File, Stage)>, Unavailable> {
        timed(NAME, "file", read(&self.pool, id)).await
    }

    async fn complete(&self, id: FileId, blob: BlobId) -> Result<Option<BlobId>, Unavailable> {
        const COMPLETE: &str = "\
            UPDATE files SET blob_id = COALESCE(blob_id, $2) WHERE id = $1 AND stage <> 'over' RETURNING blob_id";
        let complete = async {
            let mut connection = self.pool.get().await?;
            let holds = query_scalar(COMPLETE).bind(id.0).bind(blob.0);
            holds.fetch_optional(&mut *connection).await.map_err(Pool::error)
        };
        Ok(timed(NAME, "complete_file", complete).await?.map(BlobId))
    }

    async fn refer(&self, id: FileId, owner: &UserId, room: &RoomId, message: MessageId) -> Result<bool, Unavailable> {
        timed(NAME, "refer_to_file", refer(&self.pool, id, owner, room, message)).await
    }

    async fn cancel(&self, id: FileId, owner: &UserId) -> Result<bool, Unavailable> {
        const CANCEL: &str = "\
            UPDATE files SET stage = 'over' \
            WHERE id = $1 AND owner_id = $2 AND message_id IS NULL AND reserved_at IS NULL AND stage <> 'over'";
        let cancel = async {
            let mut connection = self.pool.get().await?;
            query(CANCEL).bind(id.0).bind(owner.as_str()).execute(&mut *connection).await.map_err(Pool::error)
        };
        Ok(timed(NAME, "cancel_file", cancel).await?.rows_affected() > 0)
    }

    async fn orphans(&self, before: Timestamp, expired: Timestamp, rows: usize) -> Result<Vec<Orphan>, Unavailable> {
        timed(NAME, "orphans", orphans(&self.pool, before, expired, rows)).await
    }

    async fn removed(&self, ids: &[FileId]) -> Result<(), Unavailable> {
        const REMOVE: &str = "\
            WITH gone AS (DELETE FROM files WHERE id = ANY($1) AND stage = 'over' RETURNING id) \
            DELETE FROM file_messages c USING gone WHERE c.file_id = gone.id";
        let remove = async {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            let mut connection = self.pool.get().await?;
            query(REMOVE).bind(ids).execute(&mut *connection).await.map_err(Pool::error)
        };
        timed(NAME, "removed_files", remove).await.map(drop)
    }
}

async fn declare(pool: &Pool, file: &File) -> Result<(), Unavailable> {
    const DECLARE: &str = "\
        INSERT INTO files (id, owner_id, room_id, name, size, mime, declared_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT DO NOTHING";
    let mut connection = pool.get().await?;
    query(DECLARE)
        .bind(file.id.0)
        .bind(file.owner.as_str())
        .bind(file.room.as_str())
        .bind(&file.name)
        .bind(i64::try_from(file.size).unwrap_or(i64::MAX))
        .bind(&file.mime)
        .bind(At(file.created_at))
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(())
}

async fn read(pool: &Pool, id: FileId) -> Result<Option<(File, Stage)>, Unavailable> {
    const READ: &str = concat!("SELECT ", file_columns!(), " FROM files WHERE id = $1 AND stage <> 'over'");
    let mut connection = pool.get().await?;
    let row: Option<FileRow> = query_as(READ).bind(id.0).fetch_optional(&mut *connection).await.map_err(Pool::error)?;
    Ok(row.map(Into::into))
}

async fn refer(
    pool: &Pool,
    id: FileId,
    owner: &UserId,
    room: &RoomId,
    message: MessageId,
) -> Result<bool, Unavailable> {
    const REFER: &str = "\
        WITH file AS (UPDATE files SET reserved_at = now() \
            WHERE id = $1 AND owner_id = $2 AND room_id = $3 AND blob_id IS NOT NULL AND stage <> 'over' RETURNING id) \
        INSERT INTO file_messages (file_id, message_id, stored) SELECT id, $4, false FROM file \
        ON CONFLICT (file_id, message_id) DO UPDATE SET message_id = EXCLUDED.message_id";
    let mut connection = pool.get().await?;
    let changed = query(REFER)
        .bind(id.0)
        .bind(owner.as_str())
        .bind(room.as_str())
        .bind(message.0)
        .execute(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(changed.rows_affected() > 0)
}

/// Makes the files that the batch's messages name theirs: what was reserved, and what was not, as long as it may be. Its
/// rows are locked in the order of their keys.
pub(super) async fn carry(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const LOCK: &str = "\
        SELECT f.id, n.message_id FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[]) \
            AS n (file_id, message_id, room_id, owner_id) \
        JOIN files f ON f.id = n.file_id AND f.room_id = n.room_id AND f.owner_id = n.owner_id \
        WHERE f.blob_id IS NOT NULL AND f.stage <> 'over' ORDER BY f.id FOR UPDATE OF f";
    const CARRY: &str = "\
        WITH named AS (SELECT * FROM UNNEST($1::uuid[], $2::uuid[]) AS n (file_id, message_id)), \
        marked AS (UPDATE files f SET message_id = COALESCE(f.message_id, n.message_id) FROM named n \
            WHERE f.id = n.file_id) \
        INSERT INTO file_messages (file_id, message_id, stored) SELECT file_id, message_id, true FROM named \
        ON CONFLICT (file_id, message_id) DO UPDATE SET stored = true";
    let named = batch.named();
    if named.is_empty() {
        return Ok(());
    }
    let carried: Vec<(Uuid, Uuid)> = query_as(LOCK)
        .bind(named.iter().map(|named| named.file.0).collect::<Vec<_>>())
        .bind(named.iter().map(|named| named.message).collect::<Vec<_>>())
        .bind(named.iter().map(|named| named.room).collect::<Vec<_>>())
        .bind(named.iter().map(|named| named.owner).collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await?;
    if !carried.is_empty() {
        let (files, messages): (Vec<Uuid>, Vec<Uuid>) = carried.into_iter().unzip();
        query(CARRY).bind(files).bind(messages).execute(tx).await?;
    }
    Ok(())
}

/// Gives up the files that were carried by messages which are deleted now, and by no other; one that is reserved still
/// is left to the orphans' removal. Their rows are locked first,
/// so that a message which begins to refer to one at this moment is either seen or told that there is no such file.
pub(super) async fn give_up(tx: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const LOCK: &str = "\
        SELECT f.id FROM files f WHERE f.id IN ( \
            SELECT c.file_id FROM UNNEST($1::uuid[], $2::text[]) AS d (message_id, room_id) \
            JOIN file_messages c ON c.message_id = d.message_id JOIN files g ON g.id = c.file_id \
            WHERE g.room_id = d.room_id) ORDER BY f.id FOR UPDATE";
    const LOSE: &str = "\
        DELETE FROM file_messages c USING UNNEST($1::uuid[], $2::text[]) AS d (message_id, room_id), files f \
        WHERE c.message_id = d.message_id AND f.id = c.file_id AND f.room_id = d.room_id AND f.id = ANY($3)";
    const GIVE_UP: &str = "\
        UPDATE files SET message_id = NULL, \
            stage = CASE WHEN EXISTS (SELECT FROM file_messages c WHERE c.file_id = files.id) THEN stage ELSE 'over' END \
        WHERE id = ANY($1) \
        AND NOT EXISTS (SELECT FROM file_messages c WHERE c.file_id = files.id AND c.stored) \
        AND NOT EXISTS (SELECT FROM messages m WHERE m.id = files.message_id AND m.deleted_at IS NULL)";
    let (messages, rooms): (Vec<Uuid>, Vec<&str>) = batch.deletions().into_iter().unzip();
    if messages.is_empty() {
        return Ok(());
    }
    let files: Vec<Uuid> = query_scalar(LOCK).bind(&messages).bind(&rooms).fetch_all(&mut *tx).await?;
    if !files.is_empty() {
        query(LOSE).bind(&messages).bind(&rooms).bind(&files).execute(&mut *tx).await?;
        query(GIVE_UP).bind(&files).execute(tx).await?;
    }
    Ok(())
}

/// A row that a message is being made to refer to is waited for, and looked at again. A reservation whose message is
/// stored and names the file counts for a reference: a persister of an older version, which runs beside this one, stores
/// messages without it.
async fn orphans(pool: &Pool, before: Timestamp, expired: Timestamp, rows: usize) -> Result<Vec<Orphan>, Unavailable> {
    const GIVE_UP: &str = "\
        UPDATE files SET stage = 'over' \
        WHERE id IN (\
            SELECT id FROM files f WHERE message_id IS NULL AND (stage = 'over' AND declared_at < $2 OR declared_at < $1 \
                AND (reserved_at IS NULL OR reserved_at < $1 AND NOT EXISTS (\
                    SELECT FROM file_messages c JOIN messages m ON m.id = c.message_id \
                    WHERE c.file_id = f.id AND m.deleted_at IS NULL AND lower(m.metadata->>'fileId') = f.id::text))) \
            ORDER BY declared_at LIMIT $3) \
        AND message_id IS NULL AND (reserved_at IS NULL OR reserved_at < $1 OR stage = 'over') RETURNING id, blob_id";
    let mut connection = pool.get().await?;
    let orphans: Vec<OrphanRow> = query_as(GIVE_UP)
        .bind(At(before))
        .bind(At(expired))
        .bind(limit(rows))
        .fetch_all(&mut *connection)
        .await
        .map_err(Pool::error)?;
    Ok(orphans.into_iter().map(Orphan::from).collect())
}
