//! Every environment variable that the binaries read, once each, with what it does: but for those that clouds and
//! Kubernetes set for everybody, such as `AWS_REGION`.
//!
//! The names of the circuit sizes are those of the ancestor, zero-bin, so that its deployments keep working.

/// Log filter, as `tracing_subscriber::EnvFilter` reads it.
pub const RUST_LOG: &str = "RUST_LOG";
/// Log format: `text` or `json`.
pub const LOG_FORMAT: &str = "LOG_FORMAT";
/// Named set of circuit sizes and security level.
pub const PROFILE: &str = "PROVER_PROFILE";
/// Folder of prepared circuits.
pub const CIRCUITS_DIR: &str = "CIRCUITS_DIR";
/// Place of batch inputs and finished tasks.
pub const ARTIFACTS_DIR: &str = "ARTIFACTS_DIR";
/// Keep the proofs of segments and merges after their block is proved.
pub const KEEP_INTERMEDIATE_PROOFS: &str = "ZERO_BIN_KEEP_INTERMEDIATE_PROOFS";
/// Address of the broker.
pub const AMQP_URI: &str = "AMQP_URI";
/// File with the broker's user name.
pub const AMQP_USERNAME_FILE: &str = "AMQP_USERNAME_FILE";
/// File with the broker's password.
pub const AMQP_PASSWORD_FILE: &str = "AMQP_PASSWORD_FILE";
/// File with certificates of the authorities that may vouch for the broker.
pub const AMQP_CA_FILE: &str = "AMQP_CA_FILE";
/// File with the certificate that this client shows to the broker.
pub const AMQP_CERT_FILE: &str = "AMQP_CERT_FILE";
/// File with the private key of that certificate.
pub const AMQP_KEY_FILE: &str = "AMQP_KEY_FILE";
/// Address of the Ethereum node.
pub const RPC_URL: &str = "RPC_URL";
/// File with the address of the Ethereum node.
pub const RPC_URL_FILE: &str = "RPC_URL_FILE";
/// Name of the worker.
pub const WORKER_NAME: &str = "WORKER_NAME";
/// Tasks that the worker takes.
pub const WORKER_CLASS: &str = "WORKER_CLASS";
/// Tasks that the worker takes at the same time.
pub const WORKER_SLOTS: &str = "WORKER_SLOTS";
/// Seconds that the worker has to finish its tasks when it is told to stop.
pub const WORKER_GRACE: &str = "WORKER_GRACE";
/// Tell Kubernetes how long the worker has been at its task.
pub const POD_DELETION_COST: &str = "POD_DELETION_COST";
/// Name of the pod that this runs in.
pub const POD_NAME: &str = "POD_NAME";
/// Namespace of the pod that this runs in.
pub const POD_NAMESPACE: &str = "POD_NAMESPACE";
/// Wait until somebody else has prepared the circuits.
pub const WAIT_FOR_CIRCUITS: &str = "WAIT_FOR_CIRCUITS";
/// Address to answer Prometheus and probes at.
pub const METRICS_ADDR: &str = "METRICS_ADDR";
/// Seconds that numbers of single blocks and segments are kept.
pub const METRICS_RECENT_SECONDS: &str = "METRICS_RECENT_SECONDS";
/// Most series of single blocks and segments.
pub const METRICS_RECENT_SERIES: &str = "METRICS_RECENT_SERIES";

/// Circuit sizes by table, each a half-open range of logarithms such as `16..21`.
pub mod sizes {
    /// Sizes of the arithmetic table.
    pub const ARITHMETIC: &str = "ARITHMETIC_CIRCUIT_SIZE";
    /// Sizes of the byte packing table.
    pub const BYTE_PACKING: &str = "BYTE_PACKING_CIRCUIT_SIZE";
    /// Sizes of the CPU table.
    pub const CPU: &str = "CPU_CIRCUIT_SIZE";
    /// Sizes of the Keccak table.
    pub const KECCAK: &str = "KECCAK_CIRCUIT_SIZE";
    /// Sizes of the Keccak sponge table.
    pub const KECCAK_SPONGE: &str = "KECCAK_SPONGE_CIRCUIT_SIZE";
    /// Sizes of the logic table.
    pub const LOGIC: &str = "LOGIC_CIRCUIT_SIZE";
    /// Sizes of the memory table.
    pub const MEMORY: &str = "MEMORY_CIRCUIT_SIZE";
    /// Sizes of the table of the memory before a segment.
    pub const MEMORY_BEFORE: &str = "MEMORY_BEFORE_CIRCUIT_SIZE";
    /// Sizes of the table of the memory after a segment.
    pub const MEMORY_AFTER: &str = "MEMORY_AFTER_CIRCUIT_SIZE";
}
