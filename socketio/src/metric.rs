//! The numbers that this crate exports.

use crate::CloseReason;

/// Engine.IO sessions at once.
pub(crate) fn connections(now: usize) {
    metrics::gauge!("parlor_socketio_connections").set(now as f64);
}

/// A session ended.
pub(crate) fn closed(reason: CloseReason) {
    metrics::counter!("parlor_socketio_closes_total", "reason" => reason.text()).increment(1);
}

/// Events were handed to the application.
pub(crate) fn event_in() {
    metrics::counter!("parlor_socketio_events_in_total").increment(1);
}

/// Frames went to the kernel, or into a polling response: counted once per write.
pub(crate) fn frames_out(frames: usize) {
    metrics::counter!("parlor_socketio_frames_out_total").increment(frames as u64);
}

/// Bytes in all queues: sampled, so that a broadcast does not pay for it.
pub(crate) fn queue_bytes(now: usize) {
    metrics::gauge!("parlor_socketio_queue_bytes").set(now as f64);
}
