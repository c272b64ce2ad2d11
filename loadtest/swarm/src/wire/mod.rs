//! The wire as a client speaks it: WebSocket frames, and the Engine.IO and Socket.IO packets in them. No I/O.
//!
//! Written for cost: one process here holds thousands of sockets, on a machine whose processor time is being measured.
//! Frames are read in place from one shared buffer, and a delivery is understood from its last hundred bytes.

mod frame;
mod packet;

pub(crate) use frame::{Malformed, Opcode, parse, write};
pub(crate) use packet::{Packet, delivered, offset, private_id, refusal, seq_of_ack};
