//! The trace that an appended event belongs to, as a W3C `traceparent`.
//!
//! [`Log::append`](parlor_core::ports::log::Log::append) takes an event and nothing else, so the trace comes from the
//! task: whoever handles a packet runs its command inside [`TRACEPARENT`]`.scope(…)`, and the record carries it.
//! Without a scope the record carries none.

tokio::task_local! {
    /// The `traceparent` of what this task does (W3C Trace Context §3.2).
    pub static TRACEPARENT: String;
}

/// The name of the record header that carries it.
pub(crate) const HEADER: &str = "traceparent";

/// The task's `traceparent`, if it is inside a scope.
pub(crate) fn current() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok()
}
