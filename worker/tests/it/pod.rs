//! The cost of deleting a pod: what an API server is told, and what is said where that fails. The server is a stand-in
//! that speaks HTTPS and knows one token.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::TempDir;
use testing::certificates::Certificates;
use tracing_subscriber::fmt::MakeWriter;
use worker::pod::{Pace, Pod, PodArgs, keep};

use crate::support::SOON;

/// What must not be shown.
const TOKEN: &str = "hunter2";

/// Faster than in a cluster. Pauses are long enough for a test that is held up.
const PACE: Pace = Pace {
    look: Duration::from_millis(10),
    idle: Duration::from_secs(3),
    busy: Duration::from_millis(400),
    failed: Duration::from_millis(50),
};

/// A server for one pod, with a service account in a folder.
struct Api {
    port: u16,
    folder: TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: String,
    /// Answered to everybody, if there is one.
    answer: Option<(u16, &'static str)>,
    costs: Vec<(u32, Instant)>,
    refused: usize,
}

impl Api {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificates = Certificates::write(folder.path());
        fs::rename(&certificates.ca, folder.path().join("ca.crt")).expect("it is there");
        let certificate = CertificateDer::from_pem_file(&certificates.server).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(&certificates.server_key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
        let config = Arc::new(config.expect("they fit"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let api = Self { port, folder, state: Arc::default() };
        api.exchange_token(TOKEN);
        let state = api.state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that does not trust us goes away.
                drop(serve(stream, &config, &state));
            }
        });
        api
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// Another token, for the server and in the account.
    fn exchange_token(&self, token: &str) {
        fs::write(self.account().join("token"), format!("{token}\n")).expect("it is written");
        self.state().token = token.to_owned();
    }

    fn account(&self) -> &Path {
        self.folder.path()
    }

    fn pod(&self) -> Pod {
        let api = format!("https://127.0.0.1:{}", self.port);
        Pod::new(&api, "provers", "worker-1", self.account()).expect("an address").paced(PACE)
    }

    fn costs(&self) -> Vec<u32> {
        self.state().costs.iter().map(|(cost, _)| *cost).collect()
    }

    async fn wait(&self, what: &str, wanted: impl Fn(&State) -> bool) {
        let start = Instant::now();
        while !wanted(&self.state()) {
            assert!(start.elapsed() < SOON, "not yet {what}: {:?}", self.costs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn wait_for(&self, costs: &[u32]) {
        self.wait(&format!("{costs:?}"), |state| state.costs.len() >= costs.len()).await;
        assert_eq!(self.costs(), costs);
    }
}

/// Answers one request.
fn serve(stream: TcpStream, config: &Arc<ServerConfig>, state: &Mutex<State>) -> io::Result<()> {
    let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let header = |name: &str| {
        let line =
            head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        line.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().expect("a length")];
    stream.read_exact(&mut body)?;
    let (status, text) = {
        let mut state = state.lock().expect("nobody panics with this lock");
        let answer = match state.answer {
            Some(answer) => answer,
            None if header("authorization") != format!("Bearer {}", state.token) => {
                (401, r#"{"kind": "Status", "message": "Unauthorized"}"#)
            }
            None => {
                assert!(head.starts_with("PATCH /api/v1/namespaces/provers/pods/worker-1 HTTP/1.1\r\n"), "{head}");
                assert_eq!(header("content-type"), "application/merge-patch+json");
                let patch: Value = serde_json::from_slice(&body).expect("JSON");
                let cost = &patch["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"];
                let cost = cost.as_str().expect("annotations are text").parse().expect("a number");
                state.costs.push((cost, Instant::now()));
                (200, "{}")
            }
        };
        state.refused += usize::from(answer.0 != 200);
        answer
    };
    let stream = stream.get_mut();
    let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close", text.len());
    write!(stream, "{head}\r\n\r\n{text}")?;
    stream.flush()
}

/// The task that is worked on, for so long.
#[derive(Clone, Default)]
struct Work(Arc<Mutex<Option<Duration>>>);

impl Work {
    fn set(&self, minutes: Option<u64>) {
        *self.0.lock().expect("nobody panics with this lock") =
            minutes.map(|minutes| Duration::from_secs(60 * minutes));
    }

    fn oldest(&self) -> impl Fn() -> Option<Duration> + Send + 'static {
        let work = self.0.clone();
        move || *work.lock().expect("nobody panics with this lock")
    }
}

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Until the guard is dropped.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_writer(self.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics with this lock").clone()).expect("text")
    }

    fn warnings(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with this lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn costs_follow_the_work() {
    let (api, work) = (Api::start(), Work::default());
    let keeper = tokio::spawn(keep(api.pod(), work.oldest()));
    // A container that starts again may find the cost of the one before.
    api.wait_for(&[0]).await;
    work.set(Some(0));
    api.wait_for(&[0, 1000]).await;
    // As long as it works on the same, not at every look.
    for minutes in 1..=20 {
        work.set(Some(minutes));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    api.wait("1020", |state| state.costs.last().is_some_and(|(cost, _)| *cost == 1020)).await;
    {
        let state = api.state();
        let busy: Vec<_> = state.costs.iter().skip(1).collect();
        assert!(busy.is_sorted_by_key(|(cost, _)| cost), "{busy:?}");
        for pair in busy.windows(2) {
            let pause = pair[1].1 - pair[0].1;
            assert!(pause > PACE.busy / 2, "{pause:?} between {} and {}", pair[0].0, pair[1].0);
        }
    }
    // Between two tasks it is idle for a moment, which is not worth saying.
    work.set(None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    work.set(Some(1));
    api.wait("1001", |state| state.costs.last().is_some_and(|(cost, _)| *cost == 1001)).await;
    assert_eq!(api.costs().iter().filter(|cost| **cost == 0).count(), 1, "{:?}", api.costs());
    work.set(None);
    api.wait("0", |state| state.costs.last().is_some_and(|(cost, _)| *cost == 0)).await;
    // And nothing is said while nothing changes.
    let said = api.costs().len();
    tokio::time::sleep(PACE.busy).await;
    assert_eq!(api.costs().len(), said);
    assert!(!keeper.is_finished());
}

/// Kubernetes exchanges tokens while a pod runs.
#[tokio::test]
async fn tokens_are_read_again() {
    let (api, work) = (Api::start(), Work::default());
    tokio::spawn(keep(api.pod(), work.oldest()));
    api.wait_for(&[0]).await;
    api.exchange_token("another");
    work.set(Some(3));
    api.wait_for(&[0, 1003]).await;
    assert_eq!(api.state().refused, 0);
}

/// A failure is said once, with what the server says; the work is not concerned, and the cost is written when it can be.
#[tokio::test]
async fn failures_are_said_once_for_each_kind() {
    const FORBIDDEN: &str = r#"{"message": "pods \"worker-1\" is forbidden: provers:worker cannot patch resource"}"#;
    const MISSING: &str = r#"{"message": "pods \"worker-1\" not found"}"#;
    let (api, work, log) = (Api::start(), Work::default(), Log::default());
    let _guard = log.listen();
    api.state().token = "another".to_owned();
    tokio::spawn(keep(api.pod(), work.oldest()));
    // Denied, twice over: of one kind.
    let mut refused = 0;
    for answer in [None, Some((403, FORBIDDEN)), Some((404, MISSING)), Some((503, "busy")), Some((307, ""))] {
        api.state().answer = answer;
        refused = refused.max(api.state().refused) + 4;
        api.wait("refused again", |state| state.refused >= refused).await;
    }
    let account = api.account().to_owned();
    fs::rename(account.join("token"), account.join("away")).expect("it is there");
    let warned = |word: &'static str| {
        let log = log.clone();
        async move {
            let start = Instant::now();
            while !log.warnings().iter().any(|line| line.contains(word)) {
                assert!(start.elapsed() < SOON, "`{word}` is not said: {}", log.text());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    warned("token").await;
    fs::rename(account.join("away"), account.join("token")).expect("it is there");
    // Of an authority that is not the server's.
    let strangers = tempfile::tempdir().expect("a folder");
    fs::rename(account.join("ca.crt"), account.join("own.crt")).expect("it is there");
    fs::copy(Certificates::write(strangers.path()).ca, account.join("ca.crt")).expect("it is copied");
    warned("certificate").await;
    fs::rename(account.join("own.crt"), account.join("ca.crt")).expect("it is there");

    api.state().answer = None;
    api.state().token = TOKEN.to_owned();
    api.wait_for(&[0]).await;
    let warnings = log.warnings();
    let words = ["401 Unauthorized", "not found", "503", "token", "certificate"];
    for word in words {
        let said: Vec<_> = warnings.iter().filter(|line| line.contains(word)).collect();
        assert_eq!(said.len(), 1, "{word}: {warnings:#?}");
        assert!(said[0].contains("the pod deletion cost is not written"), "{said:?}");
    }
    assert_eq!(warnings.len(), words.len(), "{warnings:#?}");
    // Not in what libraries say either.
    assert!(!log.text().contains(TOKEN), "{}", log.text());
}

/// Nobody listens: nothing but a warning.
#[tokio::test]
async fn an_absent_server_is_said() {
    let (api, work, log) = (Api::start(), Work::default(), Log::default());
    let _guard = log.listen();
    let pod = Pod::new("https://127.0.0.1:1", "provers", "worker-1", api.account()).expect("an address").paced(PACE);
    let keeper = tokio::spawn(keep(pod, work.oldest()));
    let start = Instant::now();
    while log.warnings().is_empty() {
        assert!(start.elapsed() < SOON, "nothing is said");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(PACE.failed * 4).await;
    assert_eq!(log.warnings().len(), 1, "{}", log.text());
    assert!(log.warnings()[0].contains("no answer of the API server: Connection refused"), "{}", log.text());
    assert!(!keeper.is_finished());
}

#[test]
fn a_pod_must_be_named() {
    let args = |cost, name: Option<&str>, namespace: Option<&str>| PodArgs {
        pod_deletion_cost: cost,
        pod_name: name.map(str::to_owned),
        pod_namespace: namespace.map(str::to_owned),
    };
    assert!(Pod::here(&args(false, Some("worker-1"), None)).expect("it is not asked for").is_none());
    let cases = [
        (args(true, None, Some("provers")), "POD_NAME"),
        (args(true, Some(""), Some("provers")), "POD_NAME"),
        (args(true, Some("worker-1"), None), "POD_NAMESPACE"),
        // This is no container.
        (args(true, Some("worker-1"), Some("provers")), "KUBERNETES_SERVICE_HOST"),
    ];
    for (args, part) in cases {
        if part.starts_with("KUBERNETES") && std::env::var_os(part).is_some() {
            continue;
        }
        let error = Pod::here(&args).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(ops::exit::code_of(&error), ops::exit::USAGE);
    }
    // Names are parts of a path, whatever is in them.
    let pod = format!("{:?}", Pod::new("https://api", "a/b", "../c?d", Path::new("/")).expect("an address"));
    assert!(pod.contains("/api/v1/namespaces/a%2Fb/pods/..%2Fc%3Fd"), "{pod}");
    assert!(Pod::new("api", "a", "b", Path::new("/")).is_err());
}
