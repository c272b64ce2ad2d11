//! What a gateway's numbers mean, and which of them a dashboard finds before anything has happened.

use metrics::{Unit, counter, describe_counter, describe_histogram};
use parlor_core::error::Code;

/// Describes the numbers, and begins the counters whose rates are looked at.
pub(crate) fn begin() {
    describe();
    for name in [
        "parlor_events_in_total",
        "parlor_events_out_total",
        "parlor_resume_events_total",
        "parlor_session_snapshots_total",
    ] {
        counter!(name).increment(0);
    }
    counter!("parlor_duplicates_dropped_total", "role" => "gateway").increment(0);
    for outcome in ["recovered", "unknown", "too_long", "unreadable"] {
        counter!("parlor_resumes_total", "outcome" => outcome).increment(0);
    }
    for outcome in ["hit", "miss"] {
        counter!("parlor_recent_cache_total", "outcome" => outcome).increment(0);
    }
    for source in ["cache", "store", "log"] {
        counter!("parlor_gap_repairs_total", "source" => source).increment(0);
    }
    for code in Code::ALL {
        counter!("parlor_errors_total", "code" => code.as_str()).increment(0);
    }
}

fn describe() {
    describe_counter!("parlor_events_in_total", "Events received from clients, refused ones included");
    describe_counter!("parlor_events_out_total", "Events put on the queues of clients");
    describe_counter!(
        "parlor_errors_total",
        "Events and requests refused, by code; over parlor_events_in_total: the error rate"
    );
    describe_counter!("parlor_rate_limited_total", "Events and requests refused by a limit, by its tier");
    describe_counter!(
        "parlor_resumes_total",
        "Clients that came back with a session, by what became of it: the reconnection rate"
    );
    describe_counter!("parlor_resume_events_total", "Missed events given to clients that came back");
    describe_counter!("parlor_session_snapshots_total", "Snapshots of sessions written");
    describe_counter!(
        "parlor_recent_cache_total",
        "Newest pages of history looked for in the recent cache, by outcome; hit over both: the cache hit rate"
    );
    describe_counter!("parlor_gap_repairs_total", "Gaps in a room's deliveries that were filled, by where from");
    describe_counter!("parlor_duplicates_dropped_total", "Deliveries that were known already");
    describe_histogram!("parlor_send_to_ack_seconds", Unit::Seconds, "From a message's receipt to its ack");
    describe_histogram!(
        "parlor_send_to_device_seconds",
        Unit::Seconds,
        "Age of a message when it has got to a stage on its way to devices"
    );
}
