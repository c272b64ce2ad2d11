//! The contract of push on Web Push, against a service that checks signatures and a browser that decrypts.

#[allow(dead_code, reason = "each service has a test file of its own")]
mod push_services;

use parlor_core::ports::push_contract::Subject;
use push_services::web::Web;

parlor_core::push_contract!(Web::open());

#[tokio::test]
async fn a_notification_for_another_browser_cannot_be_read() {
    let web = Web::open().await;
    let mut to = web.subscription();
    if let parlor_core::device::Address::Web { auth, .. } = &mut to.address {
        *auth = "AAAAAAAAAAAAAAAAAAAAAA".into();
    }
    let notification = parlor_core::ports::push::Notification {
        message: parlor_core::ids::MessageId::now(),
        room: parlor_core::ids::RoomId::trusted("r"),
        sender: parlor_core::ids::UserId::trusted("bob"),
        title: "Bob".into(),
        body: None,
        time: parlor_core::time::Timestamp::now(),
        ttl: std::time::Duration::from_secs(60),
    };
    web.provider().send(&to, &notification).await.expect_err("it cannot be decrypted");
    assert!(web.desk.taken().is_empty());
}
