//! Trying again: what is worth it, how often, after how long.

use std::time::Duration;

use super::error::NodeError;

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(20);

/// How often and how patiently to try again.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Attempts after the first.
    pub attempts: u32,
    /// Pause after the first failure; each further one is twice as long, up to twenty seconds.
    pub pause: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 6, pause: Duration::from_millis(250) }
    }
}

impl Retries {
    /// Runs `attempt` until it succeeds, fails for good, or has failed often enough.
    pub(super) async fn run<T, F>(&self, attempt: impl Fn() -> F + Send) -> Result<T, NodeError>
    where
        F: Future<Output = Result<T, NodeError>> + Send,
    {
        let mut failed = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if failed >= self.attempts || !error.worth_retrying() {
                return Err(error);
            }
            let pause = self.pause_after(failed, &error);
            tracing::debug!(%error, ?pause, "trying again");
            tokio::time::sleep(pause).await;
            failed += 1;
        }
    }

    fn pause_after(&self, failed: u32, error: &NodeError) -> Duration {
        let doubled = self.pause.saturating_mul(1 << failed.min(16)).min(LONGEST);
        let wanted = Duration::from_secs(error.retry_after().unwrap_or_default()).min(2 * LONGEST);
        // Between half and one and a half, so that what failed together does not come again together.
        doubled.mul_f64(0.5 + fastrand::f64()).max(wanted)
    }
}
