//! The [`Blobs`](parlor_core::ports::blobs::Blobs) port, twice: an S3 bucket for a cluster, a folder for one process or
//! for machines that share one. Both hold the port's contract suite.
//!
//! What the two have in common is here: how bytes get from a client into the store without ever being in memory as a
//! whole (`pour`), and what is read, copied and removed (`objects`).

mod folder;
mod objects;
mod pour;
mod s3;

pub use folder::Folder;
pub use s3::{Config, Invalid, S3};
