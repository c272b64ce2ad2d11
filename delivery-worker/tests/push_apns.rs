//! The contract of push on APNs, against a service that speaks HTTP/2 alone and checks tokens and headers.

#[allow(dead_code, reason = "each service has a test file of its own")]
mod push_services;

use push_services::apns::Apple;

parlor_core::push_contract!(Apple::open());
