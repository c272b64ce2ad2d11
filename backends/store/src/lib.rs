//! The [`Store`](parlor_core::ports::store::Store) port, twice: PostgreSQL for a cluster, an SQLite file for one
//! process. Both hold the port's contract suite.
//!
//! What the two have in common is here: what a run of records comes to (`batch`), what is looked up for a decision
//! (`decisions`), what reactions and pins come to (`marks`), how rows read (`rows`), how a time is kept (`at`). Each then says in its own SQL how to apply a batch,
//! write a decision, and read.

mod accounts;
mod at;
mod batch;
mod calls;
mod contacts;
mod decisions;
mod devices;
mod emptying;
mod marks;
mod migrations;
pub mod postgres;
mod progress;
mod rows;
pub mod sqlite;
