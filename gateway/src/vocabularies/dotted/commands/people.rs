//! Users: their presence, and safety from them.

use parlor_core::command::{Command, Report};
use parlor_core::error::ChatError;

use crate::vocabularies::payload::Payload;
use crate::vocabularies::rules::Rules;

/// `userId`, or `userIds`, or both.
pub(super) fn presence(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let mut users = payload.users("userIds", rules.max_named_users)?.unwrap_or_default();
    users.extend(payload.optional_user("userId")?);
    if users.is_empty() {
        return payload.required("userId", None);
    }
    Ok(Command::Presence { users })
}

pub(super) fn block(payload: &Payload<'_>, on: bool) -> Result<Command, ChatError> {
    Ok(Command::Block { user: payload.user("userId")?, on })
}

pub(super) fn report(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let report = Report {
        message: payload.message("messageId")?,
        room: payload.optional_room()?,
        user: payload.optional_user("userId")?,
        reason: payload.required("reason", payload.said("reason", rules.max_reason_chars)?)?,
    };
    if report.message.is_none() && report.room.is_none() && report.user.is_none() {
        return Err(ChatError::field("messageId", "one of `messageId`, `roomId`, `userId` is required"));
    }
    Ok(Command::Report(report))
}
