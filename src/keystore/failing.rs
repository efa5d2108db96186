//! The end of a keystore that is open: the first failure of the storage, or the first damage, stands. Whoever asks later is told the
//! same, and who wanted to know is told at once.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::error::KeystoreError;

/// Called once, with the first failure.
type Tell = Box<dyn FnOnce(&KeystoreError) + Send>;

#[derive(Default)]
pub(super) struct Failing {
    first: OnceLock<Failure>,
    tell: Mutex<Option<Tell>>,
}

enum Failure {
    Storage(String),
    Damaged { what: String, advice: String },
}

impl Failure {
    fn again(&self) -> KeystoreError {
        match self {
            Self::Storage(why) => KeystoreError::Failed { why: why.clone() },
            Self::Damaged { what, advice } => KeystoreError::Damaged {
                what: what.clone(),
                advice: advice.clone(),
            },
        }
    }
}

impl Failing {
    /// Whether nothing has failed yet.
    pub(super) fn healthy(&self) -> Result<(), KeystoreError> {
        self.first.get().map_or(Ok(()), |first| Err(first.again()))
    }

    /// From here on the keystore neither reads nor writes.
    pub(super) fn begin(&self, error: &KeystoreError) {
        self.first.get_or_init(|| match error {
            KeystoreError::Damaged { what, advice } => Failure::Damaged {
                what: what.clone(),
                advice: advice.clone(),
            },
            KeystoreError::Storage(why) => Failure::Storage(why.clone()),
            other => Failure::Storage(other.to_string()),
        });
        self.tell();
    }

    /// Calls `tell` when the first failure is met, which may have been already.
    pub(super) fn on_first(&self, tell: Tell) {
        *self.waiting() = Some(tell);
        self.tell();
    }

    fn tell(&self) {
        let Err(error) = self.healthy() else { return };
        // It is called without the lock.
        let waiting = self.waiting().take();
        if let Some(tell) = waiting {
            tell(&error);
        }
    }

    /// What is guarded is changed by one call that can't panic halfway.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Tell>> {
        self.tell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Failing").field(&self.healthy()).finish()
    }
}
