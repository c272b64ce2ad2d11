//! What a device is told, in the form that all services carry.

use parlor_core::ports::push::Notification;
use serde_json::{Value, json};

/// A flat object of strings, as FCM's `data` wants it; a client that wakes finds the message by these.
pub(super) fn payload(notification: &Notification) -> Value {
    let mut payload = json!({
        "type": "message",
        "messageId": notification.message.to_string(),
        "roomId": notification.room.as_str(),
        "senderId": notification.sender.as_str(),
        "title": notification.title,
        "timestamp": notification.time.to_string(),
    });
    if let Some(body) = &notification.body {
        payload["body"] = Value::from(body.as_str());
    }
    payload
}
