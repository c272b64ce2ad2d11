//! Who a socket or a request is: a verified token, or a guest where guests are let in; and how one gets a token.

mod ended;
mod expiry;
mod guest;
mod issue;
mod jwks;
mod name;
mod password;
mod refresh;
mod server_key;
mod token;

pub(crate) use ended::{admit, end, ended_since, has_ended, heed as heed_logout, refusal};
pub(crate) use expiry::expire;
pub(crate) use guest::{guest, is_guests, is_private_id, lineage, private_id};
pub(crate) use issue::{Issued, issue, issue_until};
pub(crate) use name::{SERVER, SERVER_NAME, poses_as_server};
pub(crate) use password::Passwords;
pub(crate) use refresh::{
    cookie as refresh_cookie, hash as refresh_hash, no_cookie as no_refresh_cookie, presented as presented_refresh,
    token as refresh_token,
};
pub(crate) use server_key::ServerKeys;
pub(crate) use token::Identity;
pub use token::{Claims, Invalid, Tokens, mint};
