//! The records of files.

use async_trait::async_trait;
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId, MessageId, RoomId, UserId};
use parlor_core::ports::Unavailable;
use parlor_core::ports::files::{Files, Orphan, Stage};
use parlor_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::pools::{Pools, error};
use super::{NAME, Sqlite};
use crate::at::At;
use crate::batch::Batch;
use crate::calls::timed;
use crate::rows::{FileRow, OrphanRow, file_columns, limit};

#[async_trait]
impl Files for Sqlite {
    async fn declare(&self, file: &File) -> Result<(), Unavailable> {
        timed(NAME, "declare_file", declare(&self.pools, file)).await
    }

    async fn file(&self, id: FileId) -> Result<Option<(File, Stage)>, Unavailable> {
        const READ: &str = concat!("SELECT ", file_columns!(), " FROM files WHERE id = ?1 AND stage <> 'over'");
        let read = async { query_as(READ).bind(id.0).fetch_optional(&self.pools.readers).await.map_err(error) };
        let row: Option<FileRow> = timed(NAME, "file", read).await?;
        Ok(row.map(Into::into))
    }

    async fn complete(&self, id: FileId, blob: BlobId) -> Result<Option<BlobId>, Unavailable> {
        const COMPLETE: &str = "\
            UPDATE files SET blob_id = COALESCE(blob_id, ?2) WHERE id = ?1 AND stage <> 'over' RETURNING blob_id";
        let complete = async {
            let mut tx = self.pools.write().await?;
            let holds: Option<Uuid> = query_scalar(COMPLETE).bind(id.0).bind(blob.0).fetch_optional(&mut *tx).await?;
            tx.commit().await.map(|()| holds.map(BlobId))
        };
        timed(NAME, "complete_file", async { complete.await.map_err(error) }).await
    }

    async fn refer(&self, id: FileId, owner: &UserId, room: &RoomId, message: MessageId) -> Result<bool, Unavailable> {
        const REFER: &str = "\
            UPDATE files SET reserved_at = ?4 \
            WHERE id = ?1 AND owner_id = ?2 AND room_id = ?3 AND blob_id IS NOT NULL AND stage <> 'over'";
        const RESERVE: &str = "\
            INSERT INTO file_messages (file_id, message_id, stored) VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING";
        let refer = async {
            let mut tx = self.pools.write().await?;
            let refer = query(REFER).bind(id.0).bind(owner.as_str()).bind(room.as_str()).bind(At(Timestamp::now()));
            let may = refer.execute(&mut *tx).await?.rows_affected() > 0;
            if may {
                query(RESERVE).bind(id.0).bind(message.0).execute(&mut *tx).await?;
            }
            tx.commit().await.map(|()| may)
        };
        timed(NAME, "refer_to_file", async { refer.await.map_err(error) }).await
    }

    async fn cancel(&self, id: FileId, owner: &UserId) -> Result<bool, Unavailable> {
        const CANCEL: &str = "\
            UPDATE files SET stage = 'over' \
            WHERE id = ?1 AND owner_id = ?2 AND message_id IS NULL AND reserved_at IS NULL AND stage <> 'over'";
        let cancel = async {
            let mut tx = self.pools.write().await?;
            let changed = query(CANCEL).bind(id.0).bind(owner.as_str()).execute(&mut *tx).await?;
            tx.commit().await.map(|()| changed.rows_affected() > 0)
        };
        timed(NAME, "cancel_file", async { cancel.await.map_err(error) }).await
    }

    async fn orphans(&self, before: Timestamp, expired: Timestamp, rows: usize) -> Result<Vec<Orphan>, Unavailable> {
        timed(NAME, "orphans", orphans(&self.pools, before, expired, rows)).await
    }

    async fn removed(&self, ids: &[FileId]) -> Result<(), Unavailable> {
        let remove = async {
            let mut tx = self.pools.write().await?;
            for id in ids {
                let gone =
                    query("DELETE FROM files WHERE id = ?1 AND stage = 'over'").bind(id.0).execute(&mut *tx).await?;
                if gone.rows_affected() > 0 {
                    query("DELETE FROM file_messages WHERE file_id = ?1").bind(id.0).execute(&mut *tx).await?;
                }
            }
            tx.commit().await
        };
        timed(NAME, "removed_files", async { remove.await.map_err(error) }).await
    }
}

async fn declare(pools: &Pools, file: &File) -> Result<(), Unavailable> {
    const DECLARE: &str = "\
        INSERT INTO files (id, owner_id, room_id, name, size, mime, declared_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT DO NOTHING";
    let declare = async {
        let mut tx = pools.write().await?;
        query(DECLARE)
            .bind(file.id.0)
            .bind(file.owner.as_str())
            .bind(file.room.as_str())
            .bind(&file.name)
            .bind(i64::try_from(file.size).unwrap_or(i64::MAX))
            .bind(&file.mime)
            .bind(At(file.created_at))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    declare.await.map_err(error)
}

/// Makes the files that the batch's messages name theirs: what was reserved, and what was not, as long as it may be.
pub(super) async fn carry(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const MARK: &str = "\
        UPDATE files SET message_id = COALESCE(message_id, ?4) \
        WHERE id = ?1 AND owner_id = ?2 AND room_id = ?3 AND blob_id IS NOT NULL AND stage <> 'over'";
    const CARRY: &str = "\
        INSERT INTO file_messages (file_id, message_id, stored) VALUES (?1, ?2, 1) \
        ON CONFLICT (file_id, message_id) DO UPDATE SET stored = 1";
    for named in batch.named() {
        let mark = query(MARK).bind(named.file.0).bind(named.owner).bind(named.room).bind(named.message);
        if mark.execute(&mut *tx).await?.rows_affected() > 0 {
            query(CARRY).bind(named.file.0).bind(named.message).execute(&mut *tx).await?;
        }
    }
    Ok(())
}

/// Gives up the files that were carried by messages which are deleted now, and by no other; one that is reserved still
/// is left to the orphans' removal.
pub(super) async fn give_up(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const CARRIED: &str = "\
        SELECT f.id FROM file_messages c JOIN files f ON f.id = c.file_id WHERE c.message_id = ?1 AND f.room_id = ?2";
    const LOSE: &str = "DELETE FROM file_messages WHERE file_id = ?1 AND message_id = ?2";
    const GIVE_UP: &str = "\
        UPDATE files SET message_id = NULL, \
            stage = CASE WHEN EXISTS (SELECT 1 FROM file_messages c WHERE c.file_id = files.id) THEN stage ELSE 'over' END \
        WHERE id = ?1 \
        AND NOT EXISTS (SELECT 1 FROM file_messages c WHERE c.file_id = files.id AND c.stored) \
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = files.message_id AND m.deleted_at IS NULL)";
    for (message, room) in batch.deletions() {
        let files: Vec<Uuid> = query_scalar(CARRIED).bind(message).bind(room).fetch_all(&mut *tx).await?;
        for file in files {
            query(LOSE).bind(file).bind(message).execute(&mut *tx).await?;
            query(GIVE_UP).bind(file).execute(&mut *tx).await?;
        }
    }
    Ok(())
}

async fn orphans(
    pools: &Pools,
    before: Timestamp,
    expired: Timestamp,
    rows: usize,
) -> Result<Vec<Orphan>, Unavailable> {
    const GIVE_UP: &str = "\
        UPDATE files SET stage = 'over' \
        WHERE id IN (\
            SELECT id FROM files WHERE message_id IS NULL AND (stage = 'over' AND declared_at < ?2 \
                OR declared_at < ?1 AND (reserved_at IS NULL OR reserved_at < ?1)) \
            ORDER BY declared_at LIMIT ?3) \
        RETURNING id, blob_id";
    let give_up = async {
        let mut tx = pools.write().await?;
        let orphans: Vec<OrphanRow> =
            query_as(GIVE_UP).bind(At(before)).bind(At(expired)).bind(limit(rows)).fetch_all(&mut *tx).await?;
        tx.commit().await.map(|()| orphans)
    };
    Ok(give_up.await.map_err(error)?.into_iter().map(Orphan::from).collect())
}
