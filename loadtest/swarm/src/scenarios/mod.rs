//! What can be measured. A scenario is its arguments, a run and a report.
//!
//! A storm of reconnecting clients (a gateway killed under ten thousand of them) will be one more, once sessions can
//! be resumed.

pub(crate) mod drain;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod kernel_alone;
pub(crate) mod ramp;
pub(crate) mod rooms;
