//! Work that blocks, away from the threads of the runtime.

use std::panic::resume_unwind;

/// The result of `work`. A panic in it goes on here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|why| resume_unwind(why.into_panic()))
}
