//! Several ranks of a run as threads of this process.

use std::sync::Arc;
use std::time::Duration;

use palimpsest_core::collective::{Collective, threads};

/// What each of `size` ranks makes of its engine.
///
/// # Panics
/// If a rank does.
pub fn on_ranks<T: Send>(size: usize, act: impl Fn(Arc<dyn Collective>) -> T + Sync) -> Vec<T> {
    let act = &act;
    std::thread::scope(|scope| {
        let running: Vec<_> = threads(size, Duration::from_secs(60))
            .into_iter()
            .map(|engine| scope.spawn(move || act(engine)))
            .collect();
        running.into_iter().map(|rank| rank.join().expect("the rank panicked")).collect()
    })
}
