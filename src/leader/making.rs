//! Keys and CAs are made away from everything else, and handed to the engine.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::authority::NewCa;
use super::message::Message;
use crate::clock::Clock;
use crate::crypto::{CertificateLife, CryptoError, make_key};
use crate::lifecycle::Profile;
use crate::types::{Span, TrustDomain};

/// How long what could not be made is left alone before it is tried again.
const RETRY_AFTER: Span = Span::secs(10);

/// Makes what the engine asks for.
pub(super) struct Maker {
    inbox: mpsc::WeakSender<Message>,
    clock: Clock,
    slow: Arc<Semaphore>,
}

impl Maker {
    /// One that goes by this clock, and hands what it makes to this inbox.
    pub(super) fn new(inbox: mpsc::WeakSender<Message>, clock: Clock) -> Self {
        let slow = Arc::new(Semaphore::new(1));
        Self { inbox, clock, slow }
    }

    /// RSA takes a core for seconds, so those keys are made one at a time, and no other key waits for them.
    pub(super) fn make_key(&self, profile: Profile, serial: u64) {
        let (slow, inbox, clock) = (self.slow.clone(), self.inbox.clone(), self.clock.clone());
        tokio::spawn(async move {
            let is_slow = profile.spec.rsa_bits().is_some();
            let turn = if is_slow { slow.acquire_owned().await.ok() } else { None };
            let now = clock.now();
            let life = CertificateLife::new(now - profile.windows.clock_skew, profile.certificate_life);
            let (spec, kid_format, name) = (profile.spec, profile.kid_format, profile.name);
            let made = tokio::task::spawn_blocking(move || make_key(spec, kid_format, life?)).await;
            let key = made.unwrap_or(Err(CryptoError::NotMade(spec))).map(Box::new);
            drop(turn);
            if key.is_err() {
                clock.sleep(RETRY_AFTER).await;
            }
            let profile = name;
            hand_over(&inbox, Message::Made { profile, serial, key }).await;
        });
    }

    /// A P-256 key takes no time.
    pub(super) fn make_ca(&self, number: u32, trust_domain: TrustDomain) {
        let (inbox, clock) = (self.inbox.clone(), self.clock.clone());
        tokio::spawn(async move {
            let made = NewCa::make(number, &trust_domain, clock.now());
            if made.is_err() {
                clock.sleep(RETRY_AFTER).await;
            }
            hand_over(&inbox, Message::CaMade(made)).await;
        });
    }
}

/// An engine that has ended needs nothing.
async fn hand_over(inbox: &mpsc::WeakSender<Message>, message: Message) {
    if let Some(inbox) = inbox.upgrade() {
        let _ = inbox.send(message).await;
    }
}
