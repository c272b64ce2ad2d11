//! Files, from their declaration to their download. The commands are in `commands/`, the routes in `rest/files.rs`; here
//! is what they share: what a file may be called (`name`) and be (`kind`, `check`), addresses that need no token
//! (`address`), how far an upload is (`progress`), and the reference from a message (`refer`).
//!
//! A file's bytes come under a key of their own; when the client says that they are there, they are copied to where no
//! client can write, checked there, and only then count. What was checked is what is served.

mod access;
mod address;
mod check;
mod kind;
mod name;
mod pouring;
mod progress;
mod range;
mod refer;

use std::time::Duration;

use parlor_core::error::{ChatError, Code};
use parlor_core::event::Ephemeral;
use parlor_core::file::File;
use parlor_core::ids::RoomId;
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::Key;
use parlor_core::ports::files::Storage;

pub use kind::{TYPES, is_media_type};

pub(crate) use access::readable;
pub(crate) use address::{Addresses, Purpose};
pub(crate) use check::check;
pub(crate) use kind::shown_inline;
pub(crate) use name::{clean, disposition};
pub(crate) use pouring::Pouring;
pub(crate) use progress::Progress;
pub(crate) use range::{Part, part};
pub(crate) use refer::refer;

use crate::Shared;

/// How long a declared file may take to come.
pub(crate) const UPLOAD_LASTS: Duration = Duration::from_secs(15 * 60);
/// How long an address without a token is good.
pub(crate) const ADDRESS_LASTS: Duration = Duration::from_secs(60 * 60);

/// Which files are taken.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In bytes.
    pub max_size: u64,
    /// Media types, in lower case.
    pub types: Vec<String>,
    /// What stands before the path in a file's address; empty: addresses are paths of this server.
    pub public_url: String,
}

impl Default for Rules {
    /// `dotted-readme.md`, Environment Variables.
    fn default() -> Self {
        Self {
            max_size: 10_485_760,
            types: TYPES.iter().map(|&name| name.to_owned()).collect(),
            public_url: String::new(),
        }
    }
}

/// Where files are, on a server that takes any.
pub(crate) fn storage(shared: &Shared) -> Result<&Storage, ChatError> {
    shared.ports.files.as_ref().ok_or_else(|| ChatError::new(Code::Forbidden, "this server takes no files"))
}

pub(crate) fn busy(error: Unavailable) -> ChatError {
    tracing::debug!(%error, "files are away");
    ChatError::busy("files cannot be reached right now")
}

/// Tells the owner's sockets, on whichever gateway they are, that an upload came to nothing. Best effort.
pub(crate) async fn failed(shared: &Shared, file: &File, error: &ChatError) {
    let code = error.code.as_str().to_owned();
    let news = Ephemeral::UploadFailed { upload: file.id, code, message: error.message.clone() };
    if let Err(error) = shared.ports.fanout.publish(&RoomId::inbox(&file.owner), &news).await {
        tracing::debug!(%error, "a failed upload could not be told");
    }
}

/// Removes bytes that are not needed any more, as far as that can be done now. Of a file that was given up the record
/// stays until the orphans' removal has looked after it: bytes may be on their way still.
pub(crate) async fn discard(storage: &Storage, key: &Key) {
    if let Err(error) = storage.blobs.remove(key).await {
        tracing::warn!(%error, %key, "bytes that nobody needs could not be removed");
    }
}
