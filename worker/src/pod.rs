//! Tells Kubernetes how much work would be lost with this pod.
//!
//! When a Deployment shrinks, pods with a low cost of deletion go first
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost>). So a worker keeps that
//! annotation of its own pod up to date: nothing when idle, and more the longer it has worked on something. It is advice,
//! no promise: whatever goes wrong here is said once, and the work goes on.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use ops::{env, exit, fs};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, StatusCode, Url};

/// What the ReplicaSet controller looks at.
const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Cost of a pod that has just begun a task. The minutes that it has worked on it are added.
const BUSY: u32 = 1000;

/// Where Kubernetes puts what a container needs to ask its API. Host and port come in the environment of every
/// container, by the names below, which Kubernetes sets itself.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// For the API server to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A token or a bundle of certificates is not larger.
const LARGEST_FILE: u64 = 1 << 20;

/// Longer explanations of the API server are cut.
const LONGEST: usize = 300;

/// Which pod this is.
#[derive(Args, Clone, Debug)]
pub struct PodArgs {
    /// In Kubernetes: tell it how long this worker has been at its task, so that a Deployment that shrinks stops idle
    /// pods first. Needs POD_NAME, POD_NAMESPACE and the right to patch this pod.
    #[arg(long, env = env::POD_DELETION_COST, help_heading = "Kubernetes")]
    pub pod_deletion_cost: bool,
    /// Name of this pod.
    #[arg(long, value_name = "NAME", env = env::POD_NAME, help_heading = "Kubernetes")]
    pub pod_name: Option<String>,
    /// Namespace of this pod.
    #[arg(long, value_name = "NAME", env = env::POD_NAMESPACE, help_heading = "Kubernetes")]
    pub pod_namespace: Option<String>,
}

/// Why the cost could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// The mounted service account cannot be used.
    #[error("the service account: {0}")]
    Account(String),
    /// The API server cannot be reached.
    #[error("no answer of the API server: {0}")]
    Connect(String),
    /// It does not know the token, or the service account may not do this.
    #[error("not allowed to patch the pod: {0}")]
    Denied(String),
    /// It knows no such pod.
    #[error("there is no such pod: {0}")]
    Absent(String),
    /// It says something else.
    #[error("the API server says {0}")]
    Other(String),
}

/// The pod that this process runs in, as the API server knows it.
#[derive(Clone, Debug)]
pub struct Pod {
    address: Url,
    account: PathBuf,
    pace: Pace,
}

/// How often the cost is written.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at what is being worked on. Work that begins is written at the next look.
    pub look: Duration,
    /// A pause shorter than this between two tasks is not written.
    pub idle: Duration,
    /// Between two costs of the same work.
    pub busy: Duration,
    /// Rest after a failure.
    pub failed: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { look: second, idle: 10 * second, busy: 60 * second, failed: 30 * second }
    }
}

impl Pod {
    /// This pod, if its cost is to be written: named by the arguments, with the service account that Kubernetes mounts.
    ///
    /// # Errors
    ///
    /// If it is not named, or this is no container in Kubernetes.
    pub fn here(args: &PodArgs) -> anyhow::Result<Option<Self>> {
        if !args.pod_deletion_cost {
            return Ok(None);
        }
        let given = |value: Option<String>, names: &str| {
            let missing = || exit::usage(format!("--pod-deletion-cost needs {names}"));
            value.filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let name = given(args.pod_name.clone(), "--pod-name or POD_NAME")?;
        let namespace = given(args.pod_namespace.clone(), "--pod-namespace or POD_NAMESPACE")?;
        let variable = |name: &str| given(std::env::var(name).ok(), &format!("{name}, which Kubernetes sets"));
        let (host, port) = (variable(HOST)?, variable(PORT)?);
        // An address of IPv6.
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Self::new(&format!("https://{host}:{port}"), &namespace, &name, ACCOUNT.as_ref()).map(Some)
    }

    /// A pod at an API server, with the folder of a service account: `token` and `ca.crt`.
    ///
    /// # Errors
    ///
    /// If the address is none.
    pub fn new(api: &str, namespace: &str, name: &str, account: &Path) -> anyhow::Result<Self> {
        let mut address =
            Url::parse(api).map_err(|error| exit::usage(format!("the address of the API server, {api}: {error}")))?;
        match address.path_segments_mut() {
            Ok(mut path) => path.extend(["api", "v1", "namespaces", namespace, "pods", name]),
            Err(()) => return Err(exit::usage(format!("{api} is no address of an API server"))),
        };
        Ok(Self { address, account: account.to_owned(), pace: Pace::default() })
    }

    /// The same, written at another pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Writes the cost. Token and certificates are read each time, since they are exchanged while the pod runs.
    async fn write(&self, cost: u32) -> Result<(), PodError> {
        let read = |name: &str| {
            let bytes = fs::read_limited(&self.account.join(name), LARGEST_FILE);
            bytes.map_err(|error| PodError::Account(error.to_string()))
        };
        let token = String::from_utf8(read("token")?).map_err(|_| PodError::Account("its token is no text".into()))?;
        let authorities = Certificate::from_pem_bundle(&read("ca.crt")?);
        let authorities = authorities.map_err(|error| PodError::Account(format!("its ca.crt: {}", last(&error))))?;
        let client = Client::builder()
            .tls_certs_only(authorities)
            .https_only(true)
            // The API server is in the cluster, and a redirect would carry the token elsewhere.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .user_agent(concat!("blockproof-worker/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| PodError::Account(last(&error)))?;
        let patch = serde_json::json!({ "metadata": { "annotations": { ANNOTATION: cost.to_string() } } });
        let request = client
            .patch(self.address.clone())
            .bearer_auth(token.trim())
            .header(CONTENT_TYPE, "application/merge-patch+json")
            .body(patch.to_string());
        let answer = request.send().await.map_err(|error| PodError::Connect(last(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.text().await.unwrap_or_default();
        let reason = format!("{status}{}", message(&body));
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => PodError::Denied(reason),
            StatusCode::NOT_FOUND => PodError::Absent(reason),
            _ => PodError::Other(reason),
        })
    }
}

/// Keeps the cost of the pod up to date for ever. `oldest` says for how long the task that was begun first has been
/// worked on, or that there is none.
pub async fn keep(pod: Pod, oldest: impl Fn() -> Option<Duration>) {
    // Fails when one is installed already, which then serves as well.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a provider of cryptography is installed already");
    }
    let mut ledger = Ledger::default();
    let mut warned = HashSet::<Discriminant<PodError>>::new();
    loop {
        let now = Instant::now();
        if let Some(cost) = ledger.due(oldest(), now, &pod.pace) {
            match pod.write(cost).await {
                Ok(()) => {
                    tracing::debug!(cost, "pod deletion cost");
                    ledger.written = Some((cost, now));
                }
                Err(error) => {
                    if warned.insert(discriminant(&error)) {
                        tracing::warn!("the pod deletion cost is not written: {error}");
                    }
                    tokio::time::sleep(pod.pace.failed).await;
                }
            }
        }
        tokio::time::sleep(pod.pace.look).await;
    }
}

/// What was written last, and since when there is nothing to do.
#[derive(Debug, Default)]
struct Ledger {
    written: Option<(u32, Instant)>,
    idle: Option<Instant>,
}

impl Ledger {
    /// The cost, if it is time to write it.
    fn due(&mut self, oldest: Option<Duration>, now: Instant, pace: &Pace) -> Option<u32> {
        let cost = oldest.map_or(0, cost);
        let idle = match oldest {
            Some(_) => {
                self.idle = None;
                Duration::ZERO
            }
            None => now.duration_since(*self.idle.get_or_insert(now)),
        };
        let due = match self.written {
            None => true,
            Some((was, _)) if was == cost => false,
            Some((0, _)) => true,
            Some(_) if cost == 0 => idle >= pace.idle,
            Some((_, at)) => now.duration_since(at) >= pace.busy,
        };
        due.then_some(cost)
    }
}

/// The cost of a pod that has worked for so long.
fn cost(age: Duration) -> u32 {
    // The annotation is a number of 32 bits with a sign; no task takes a thousandth of that.
    BUSY + u32::try_from(age.as_secs() / 60).unwrap_or(u32::MAX).min(1_000_000)
}

/// What an error comes from: those before it repeat the address.
fn last(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What the API server says to people, after a comma.
fn message(body: &str) -> String {
    let status = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    match status["message"].as_str() {
        Some(text) => format!(", {}", text.chars().take(LONGEST).collect::<String>()),
        None => String::new(),
    }
}
