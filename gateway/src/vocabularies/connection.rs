//! Client events that concern the connection itself. The names are dotted's; every vocabulary understands them, so that
//! a socket may present a token, or say goodbye, whatever it speaks.

use parlor_core::command::Command;
use parlor_core::error::ChatError;

use super::payload::{Entry, Payload};
use super::rules::Rules;

pub(super) const COMMANDS: &[Entry] = &[
    Entry { name: "connection.authenticate", fields: &["token"], read: authenticate },
    Entry { name: "connection.disconnect", fields: &[], read: |_, _| Ok(Command::Disconnect) },
];

fn authenticate(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Authenticate { token: payload.required("token", payload.text("token")?)? })
}
