//! An address from which a file can be read for a while without a token.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::ids::FileId;
use parlor_core::time::Timestamp;

use super::Reply;
use crate::Shared;
use crate::caller::Caller;
use crate::files::{self, ADDRESS_LASTS};
use crate::vocabularies::Answer;

pub(super) async fn act(shared: &Arc<Shared>, caller: &Caller, file: FileId, reply: Reply) {
    match make(shared, caller, file).await {
        Ok((url, expires)) => reply.ok(&Answer::FileUrl { file, url: &url, expires }),
        Err(error) => reply.refuse(&error),
    }
}

async fn make(shared: &Arc<Shared>, caller: &Caller, file: FileId) -> Result<(String, Timestamp), ChatError> {
    let (file, _) = files::readable(shared, caller, file).await?;
    let lasts = i64::try_from(ADDRESS_LASTS.as_millis()).unwrap_or(i64::MAX);
    // A whole second, as it stands in the address.
    let expires = Timestamp(Timestamp::now().plus_millis(lasts).0 / 1000 * 1000);
    Ok((shared.addresses.get(&file, &caller.user.id, expires), expires))
}
