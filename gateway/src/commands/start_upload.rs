//! Declare a file: checks what can be checked before its bytes come, and says where they go.

use std::sync::Arc;

use parlor_core::command::NewFile;
use parlor_core::error::{ChatError, Code};
use parlor_core::file::File;
use parlor_core::ids::FileId;
use parlor_core::ports::blobs::{Key, PutAddress};
use parlor_core::time::Timestamp;

use super::{Reply, send};
use crate::Shared;
use crate::caller::Caller;
use crate::files::{self, UPLOAD_LASTS};
use crate::vocabularies::{Answer, Upload};

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, new: NewFile, reply: Reply) {
    match start(shared, caller, new).await {
        Ok((file, address, expires)) => reply.ok(&Answer::UploadStarted(&Upload {
            id: file.id,
            method: "PUT",
            url: &address.url,
            headers: &address.headers,
            expires,
        })),
        Err(error) => reply.refuse(&error),
    }
}

async fn start(
    shared: &Arc<Shared>,
    caller: &Caller,
    new: NewFile,
) -> Result<(File, PutAddress, Timestamp), ChatError> {
    let storage = files::storage(shared)?;
    let rules = &shared.config.files;
    shared.limiter.pass(&caller.user.id, "file", shared.config.limits.file).await?;
    let version = shared.ports.fanout.version(&new.room).await.ok().flatten();
    send::may_send(shared, caller, &new.room, version).await?;
    if new.size > rules.max_size {
        let message = format!("a file has {} bytes at most", rules.max_size);
        return Err(ChatError { field: Some("fileSize"), ..ChatError::new(Code::TooLarge, message) });
    }
    if !rules.types.contains(&new.mime) {
        let message = format!("files of type {} are not taken", new.mime);
        return Err(ChatError { field: Some("mimeType"), ..ChatError::new(Code::UnsupportedType, message) });
    }
    let file = File {
        id: FileId::now(),
        room: new.room,
        owner: caller.user.id.clone(),
        name: files::clean(&new.name),
        size: new.size,
        mime: new.mime,
        created_at: Timestamp::now(),
    };
    let lasts = i64::try_from(UPLOAD_LASTS.as_millis()).unwrap_or(i64::MAX);
    // A whole second, as it stands in the address.
    let expires = Timestamp(file.created_at.plus_millis(lasts).0 / 1000 * 1000);
    let direct = storage.blobs.put_address(&Key::incoming(file.id), file.size, &file.mime, expires).await;
    let address = direct.map_err(files::busy)?.unwrap_or_else(|| PutAddress {
        url: shared.addresses.put(file.id, &file.owner, expires),
        headers: vec![("Content-Type".to_owned(), file.mime.clone())],
    });
    storage.files.declare(&file).await.map_err(files::busy)?;
    Ok((file, address, expires))
}
