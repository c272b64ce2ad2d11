//! Who a socket is: a verified token, or a guest where guests are let in.

mod expiry;
mod guest;
mod token;

pub(crate) use expiry::expire;
pub(crate) use guest::{guest, is_private_id, lineage, private_id};
pub(crate) use token::Identity;
pub use token::{Claims, Invalid, Tokens, mint};
