//! Connecting to a bucket.
//!
//! Who we are, and where a store is that is not its cloud's own, comes from the environment, by the names that the
//! clouds' own tools use: `GOOGLE_APPLICATION_CREDENTIALS`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and so on, or else
//! from the metadata server of the machine (Workload Identity). `object_store` knows them all: each key of its
//! configuration, in capitals.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::place::{Bucket, Cloud};

/// Repetitions of a request that failed for a reason that may pass: half a minute in all, if every answer comes at once.
/// Whoever can wait longer asks again.
const RETRIES: usize = 8;

/// No repetition begins after this.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of the bucket that sees nothing but what is below the prefix. Asks nobody yet.
pub(super) fn connect(
    bucket: &Bucket,
    variables: impl IntoIterator<Item = (String, String)>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    // Fails when one is installed already, which then serves as well.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a provider of cryptography is installed already");
    }
    let (init_backoff, max_backoff) = (Duration::from_millis(200), Duration::from_secs(6));
    let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
    let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT };
    Ok(match bucket.cloud {
        Cloud::Google => {
            let builder = settings("GOOGLE_", variables)
                .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
            let store = builder.with_bucket_name(&bucket.name).with_retry(retry).build()?;
            Arc::new(PrefixStore::new(store, bucket.prefix.clone()))
        }
        Cloud::S3 => {
            let builder = settings("AWS_", variables)
                .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
            let store = builder.with_bucket_name(&bucket.name).with_retry(retry).build()?;
            Arc::new(PrefixStore::new(store, bucket.prefix.clone()))
        }
    })
}

/// The variables that are settings; an empty one is none.
fn settings<K: FromStr>(
    prefix: &'static str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = (K, String)> {
    let given = variables.into_iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
    given.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}
