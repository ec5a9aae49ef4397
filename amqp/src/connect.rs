//! The broker: its address, credentials and TLS, and threads of our own to talk to it.
//!
//! lapin's heartbeats and readiness run on the tokio runtime that a connection was made on; were that one busy for
//! minutes, the broker would take the process for dead. So everything about AMQP runs on two threads that do nothing
//! else.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueHint};
use lapin::tcp::{AMQPUriTcpExt, RustlsConnector};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use ops::env;
use ops::fs::{self, FsError};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::tls;

/// A file with a credential may not be larger than this.
pub(crate) const MAX_SECRET_BYTES: u64 = 1 << 20;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often to ask a broker that hangs up for the reason.
const CHECKS: usize = 5;

/// How to reach the broker.
#[derive(Args, Clone)]
pub struct BrokerArgs {
    /// Address of RabbitMQ, `amqp://host:port/vhost` or `amqps://…`. A password in it can be seen by all users of the
    /// machine, unless it comes by the environment.
    #[arg(long, global = true, value_name = "URI", env = env::AMQP_URI, hide_env_values = true, help_heading = "Broker")]
    pub amqp_uri: Option<Secret>,
    /// File with the user name, instead of one in the address.
    #[arg(long, global = true, value_name = "FILE", env = env::AMQP_USERNAME_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub amqp_username_file: Option<PathBuf>,
    /// File with the password, instead of one in the address.
    #[arg(long, global = true, value_name = "FILE", env = env::AMQP_PASSWORD_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub amqp_password_file: Option<PathBuf>,
    /// Certificates of the authorities that may vouch for the broker, in PEM; nobody else may then. [default: those of
    /// the system]
    #[arg(long, global = true, value_name = "FILE", env = env::AMQP_CA_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub amqp_ca_file: Option<PathBuf>,
    /// Certificate of this client, in PEM.
    #[arg(long, global = true, value_name = "FILE", env = env::AMQP_CERT_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub amqp_cert_file: Option<PathBuf>,
    /// Private key of this client, in PEM.
    #[arg(long, global = true, value_name = "FILE", env = env::AMQP_KEY_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub amqp_key_file: Option<PathBuf>,
}

impl fmt::Debug for BrokerArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerArgs")
    }
}

/// Text that must not be seen.
#[derive(Clone)]
pub struct Secret(String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why there can be no connection at all.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No address.
    #[error("no broker is given: set --amqp-uri or {}", env::AMQP_URI)]
    NoAddress,
    /// The address is none. What is wrong is said, the address is not: it may hold a password.
    #[error("the address of the broker (--amqp-uri) is none: {0}")]
    Address(String),
    /// A file with credentials.
    #[error(transparent)]
    File(#[from] FsError),
    /// A file with credentials is not text.
    #[error("{} is not text", .0.display())]
    NotText(PathBuf),
    /// Certificates without TLS.
    #[error("certificates are given, and the address of the broker is not amqps://")]
    NoTls,
    /// A file with certificates or a key that cannot be used.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate without its key, or the other way round.
    #[error("of --amqp-cert-file and --amqp-key-file one is given without the other")]
    HalfShown,
    /// TLS without anybody to believe.
    #[error("no authority is known that may vouch for the broker, see --amqp-ca-file: {0}")]
    NoAuthorities(io::Error),
    /// It does not let us in: user, password, or vhost.
    #[error("the broker at {broker} refuses: {reason}")]
    Refused {
        /// Address.
        broker: String,
        /// What it said.
        reason: String,
    },
    /// One of the two sides does not believe the other's certificate, or there is no TLS at all at the other end.
    #[error("no TLS with the broker at {broker}, see --amqp-ca-file and --amqp-cert-file: {reason}")]
    NoTrust {
        /// Address.
        broker: String,
        /// What is wrong.
        reason: String,
    },
    /// No threads.
    #[error("cannot start the threads that talk to the broker: {0}")]
    Threads(#[from] io::Error),
}

/// The broker, and the threads that talk to it.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    tls: Option<RustlsConnector>,
    threads: Arc<Threads>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without credentials.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let vhost = self.uri.vhost.replace('/', "%2f");
        let (host, port) = (&self.uri.authority.host, self.uri.authority.port);
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}/{vhost}"),
            false => write!(f, "{scheme}://{host}:{port}/{vhost}"),
        }
    }
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Broker {
    /// Reads what it needs and starts the threads; connects to nothing yet.
    pub fn new(args: &BrokerArgs) -> Result<Self, BrokerError> {
        let Secret(address) =
            args.amqp_uri.as_ref().filter(|Secret(text)| !text.is_empty()).ok_or(BrokerError::NoAddress)?;
        let mut uri = parse(address)?;
        if uri.vhost.is_empty() {
            // The RabbitMQ cluster operator writes addresses that end in a slash and mean the vhost `/`.
            uri.vhost = "/".to_owned();
        }
        if let Some(file) = given(&args.amqp_username_file) {
            uri.authority.userinfo.username = secret(file)?;
        }
        if let Some(file) = given(&args.amqp_password_file) {
            uri.authority.userinfo.password = secret(file)?;
        }
        let ca = given(&args.amqp_ca_file);
        let shown = match (given(&args.amqp_cert_file), given(&args.amqp_key_file)) {
            (None, None) => None,
            (certificate, key) => Some(certificate.zip(key).ok_or(BrokerError::HalfShown)?),
        };
        let tls = match uri.scheme {
            AMQPScheme::AMQPS => Some(tls::connector(ca, shown)?),
            AMQPScheme::AMQP if ca.is_some() || shown.is_some() => return Err(BrokerError::NoTls),
            AMQPScheme::AMQP => None,
        };
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("amqp").enable_all().build()?;
        Ok(Self { uri, tls, threads: Arc::new(Threads(Some(runtime))) })
    }

    /// Whether there is any hope: fails if the broker answers that it will never let us in. One that does not answer may
    /// come later.
    pub async fn check(&self) -> Result<(), BrokerError> {
        let mut left = CHECKS;
        loop {
            let broker = self.clone();
            let tried = self.threads().spawn(async move {
                let connection = broker.connect("check").await?;
                connection.close(200, "done".into()).await
            });
            let Ok(Err(error)) = tried.await else { return Ok(()) };
            left -= 1;
            let (broker, reason) = (self.to_string(), error.to_string());
            match error.kind() {
                ErrorKind::ProtocolError(_) => return Err(BrokerError::Refused { broker, reason }),
                // What rustls makes of whatever it does not like.
                ErrorKind::IOError(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(BrokerError::NoTrust { broker, reason });
                }
                // With TLS 1.3 a broker that misses a certificate says so when we have begun to talk. What it said may be
                // lost when it hangs up.
                ErrorKind::IOError(error) if self.tls.is_some() && left > 0 && hung_up(error) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                ErrorKind::IOError(error) if self.tls.is_none() && hung_up(error) => {
                    tracing::warn!(
                        broker,
                        "the broker hangs up, trying on; if it expects TLS, the address must begin with amqps://: {error}"
                    );
                    return Ok(());
                }
                _ => {
                    tracing::warn!(broker, "the broker does not answer, trying on: {error}");
                    return Ok(());
                }
            }
        }
    }

    /// Where to spawn what talks to the broker.
    pub fn threads(&self) -> Handle {
        self.threads.0.as_ref().map(Runtime::handle).cloned().unwrap_or_else(Handle::current)
    }

    /// Connects; to be called on the threads of the broker only. `name` is seen in the broker's list of connections.
    pub async fn connect(&self, name: &str) -> lapin::Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime()?;
        let tls = self.tls.clone();
        let dial = async move |mut uri: AMQPUri, runtime| {
            uri.scheme = AMQPScheme::AMQP;
            let stream = uri.connect_async(&runtime).await?;
            match &tls {
                Some(tls) => Ok(stream.into_rustls(tls, &uri.authority.host).await?),
                None => Ok(stream),
            }
        };
        let connect = Connection::connector(self.uri.clone(), runtime, dial, properties);
        match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Reads an address. What is said of one that is none has nothing of it, since it may hold a password.
fn parse(address: &str) -> Result<AMQPUri, BrokerError> {
    let none = |reason: &str| BrokerError::Address(reason.to_owned());
    let known = ["amqp://", "amqps://"].into_iter().find_map(|scheme| address.strip_prefix(scheme));
    let rest = known.ok_or_else(|| none("expected amqp://… or amqps://…"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains('@') && !authority.contains('@') {
        // Else the end of a password is taken for a vhost, which everybody may see.
        return Err(none("in a user or password write / as %2f, ? as %3f and # as %23"));
    }
    let mut uri = AMQPUri::from_str(address).map_err(BrokerError::Address)?;
    let host = authority.rsplit('@').next().unwrap_or_default();
    // The parser takes the local host where the address has a number of IPv6.
    if let Some((host, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        uri.authority.host = host.to_owned();
    }
    Ok(uri)
}

/// A path that may be empty, as variables are that scripts set to nothing.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An empty path is none.
fn given(file: &Option<PathBuf>) -> Option<&Path> {
    file.as_deref().filter(|file| !file.as_os_str().is_empty())
}

fn text(file: &Path) -> Result<String, BrokerError> {
    String::from_utf8(fs::read_limited(file, MAX_SECRET_BYTES)?).map_err(|_| BrokerError::NotText(file.to_owned()))
}

/// The text of a file, without the line end that editors add.
fn secret(file: &Path) -> Result<String, BrokerError> {
    Ok(text(file)?.trim_end_matches(['\r', '\n']).to_owned())
}
