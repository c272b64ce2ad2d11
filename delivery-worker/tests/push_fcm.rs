//! The contract of push on FCM, against a token endpoint and an HTTP v1 interface that check what they get.

#[allow(dead_code, reason = "each service has a test file of its own")]
mod push_services;

use std::time::Duration;

use parlor_core::ids::{MessageId, RoomId, UserId};
use parlor_core::ports::push::{Notification, PushError};
use parlor_core::ports::push_contract::Subject;
use parlor_core::time::Timestamp;
use push_services::fcm::Google;

parlor_core::push_contract!(Google::open());

async fn send(google: &Google) -> Result<(), PushError> {
    let notification = Notification {
        message: MessageId::now(),
        room: RoomId::trusted("r"),
        sender: UserId::trusted("bob"),
        title: "Bob".into(),
        body: None,
        time: Timestamp::now(),
        ttl: Duration::from_secs(60),
    };
    google.provider().send(&google.subscription(), &notification).await
}

#[tokio::test]
async fn an_access_token_is_renewed_before_it_ends() {
    let google = Google::open().await;
    google.grant_for(Duration::from_secs(2));
    send(&google).await.expect("taken");
    send(&google).await.expect("taken");
    assert_eq!(google.granted(), 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    send(&google).await.expect("taken");
    assert_eq!(google.granted(), 2);
}

#[tokio::test]
async fn an_access_token_that_is_refused_is_not_used_again() {
    let google = Google::open().await;
    send(&google).await.expect("taken");
    google.revoke();
    assert!(matches!(send(&google).await, Err(PushError::Retry { .. })));
    send(&google).await.expect("taken with a new one");
}
