//! The check of the history, which a start leaves for later, while the leader already serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{JoinError, JoinHandle};

use crate::keystore::{Keystore, KeystoreError};

/// A check that is under way.
pub(super) struct Proving {
    keystore: Arc<Keystore>,
    go_on: Arc<AtomicBool>,
    task: JoinHandle<Result<(), KeystoreError>>,
}

impl Proving {
    /// Begins it; `over` is called at once when damage is met, by the check or by whoever reads, then or later.
    pub(super) fn begin(keystore: Arc<Keystore>, over: impl FnOnce() + Send + 'static) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let asked = go_on.clone();
        keystore.on_end(move |why| {
            tracing::error!(%why, "the keystore can't be used any more; the leader stops");
            over();
        });
        let checked = keystore.clone();
        let task = tokio::task::spawn_blocking(move || checked.prove(&|| asked.load(Ordering::Relaxed)).map(drop));
        Self { keystore, go_on, task }
    }

    /// Cuts it off if it is not done. Whether damage was met.
    pub(super) async fn end(self) -> Result<Result<(), KeystoreError>, JoinError> {
        self.go_on.store(false, Ordering::Relaxed);
        let proved = self.task.await?;
        Ok(proved.and_then(|()| self.keystore.healthy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::seal::MasterKey;
    use crate::keystore::{Applied, Backend, Commit, Expected, Memory, NewRecord, Tree, Visit, Write};
    use crate::types::{Seq, Time, Version};

    /// A database that takes the first step and no other.
    struct Full {
        memory: Memory,
        is_full: AtomicBool,
    }

    impl Backend for Full {
        fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
            self.memory.get(tree, key)
        }

        fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
            self.memory.scan(tree, from, visit)
        }

        fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
            if self.is_full.swap(true, Ordering::SeqCst) {
                return Err(KeystoreError::Storage("no space left on device".to_owned()));
            }
            self.memory.apply(expected, writes)
        }
    }

    /// How the check ends, and whether it ended the leader.
    async fn ended(keystore: Keystore) -> (Result<(), KeystoreError>, bool) {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let proving = Proving::begin(Arc::new(keystore), move || told.store(true, Ordering::SeqCst));
        let proved = proving.end().await.unwrap();
        (proved, over.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_leader_whose_keystore_failed_at_another_hand_ends_too() {
        let master = MasterKey::generate().unwrap();
        let full = Full {
            memory: Memory::default(),
            is_full: AtomicBool::new(false),
        };
        let keystore = Keystore::on(Box::new(full), &master).unwrap();
        keystore
            .commit(&Commit::of_state(Version(0), Time(1), b"state".to_vec()))
            .unwrap_err();
        let (proved, over) = ended(keystore).await;
        assert!(matches!(proved, Err(KeystoreError::Failed { .. })) && over);
    }

    #[tokio::test]
    async fn a_leader_ends_at_once_when_a_reader_meets_damage_that_came_after_the_check() {
        let memory = Memory::default();
        let keystore = Arc::new(Keystore::on(Box::new(memory.clone()), &MasterKey::generate().unwrap()).unwrap());
        let mut commit = Commit::of_state(Version(0), Time(1), b"state".to_vec());
        commit.records = vec![NewRecord {
            bytes: b"{}".to_vec(),
            kids: Vec::new(),
        }];
        keystore.commit(&commit).unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let tell = told.clone();
        let proving = Proving::begin(keystore.clone(), move || tell.store(true, Ordering::SeqCst));
        assert!(keystore.prove(&|| true).unwrap());
        let meta = memory.get(Tree::Meta, b"meta").unwrap();
        let lost = Write {
            tree: Tree::Records,
            key: 0_u64.to_be_bytes().to_vec(),
            value: None,
        };
        let expected = Expected {
            key: b"meta",
            value: meta.as_deref(),
        };
        assert_eq!(memory.apply(expected, &[lost]).unwrap(), Applied::Durable);
        assert!(!told.load(Ordering::SeqCst));
        keystore.record(Seq(0)).unwrap_err();
        assert!(told.load(Ordering::SeqCst), "before anybody asks how the check ended");
        let ended = proving.end().await.unwrap();
        assert!(matches!(ended, Err(KeystoreError::Damaged { .. })), "{ended:?}");
    }

    #[tokio::test]
    async fn a_leader_whose_keystore_is_whole_goes_on() {
        let master = MasterKey::generate().unwrap();
        let keystore = Keystore::on(Box::new(Memory::default()), &master).unwrap();
        let (proved, over) = ended(keystore).await;
        assert!(proved.is_ok() && !over);
    }
}
