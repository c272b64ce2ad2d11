//! Which services are configured.

use std::sync::Arc;

use parlor_core::device::Address;
use parlor_core::ports::push::PushProvider;

/// One for each kind of address; a kind without one is passed over.
#[derive(Clone, Default)]
pub struct Providers {
    /// Browsers.
    pub web: Option<Arc<dyn PushProvider>>,
    /// Android.
    pub fcm: Option<Arc<dyn PushProvider>>,
    /// iOS and macOS.
    pub apns: Option<Arc<dyn PushProvider>>,
}

impl Providers {
    /// Whether there is none: then there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.web.is_none() && self.fcm.is_none() && self.apns.is_none()
    }

    pub(super) fn of(&self, address: &Address) -> Option<&Arc<dyn PushProvider>> {
        match address {
            Address::Web { .. } => self.web.as_ref(),
            Address::Fcm { .. } => self.fcm.as_ref(),
            Address::Apns { .. } => self.apns.as_ref(),
        }
    }
}
