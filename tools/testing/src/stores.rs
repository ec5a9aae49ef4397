//! A real server that speaks S3, with buckets in memory on loopback. Google's XML interface has the same words for what
//! an artifact store does, so it stands for that as well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::free_port;
use crate::say;

/// The environment variable that names the server's program; tools/stores.sh installs one and sets it.
const PROGRAM: &str = "MOTO";

/// The environment variable that makes a missing server a failure, for CI.
const REQUIRED: &str = "BLOCKPROOF_REQUIRE_STORES";

/// For Python to load what it needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends the server when its input ends, which comes with the end of whoever started it.
const GUARD: &str = r#""$0" -H 127.0.0.1 -p "$1" & cat; kill -KILL $!"#;

/// The server. Dropped, it is gone with all buckets.
#[derive(Debug)]
pub struct Stores {
    guard: Child,
    port: u16,
}

/// One for all tests of a program; `None`, said aloud, where there is none.
pub static STORES: LazyLock<Option<Stores>> = LazyLock::new(Stores::start);

impl Stores {
    /// A server without buckets; `None`, said aloud, where there is none.
    ///
    /// # Panics
    ///
    /// If there is none and `BLOCKPROOF_REQUIRE_STORES` is set.
    pub fn start() -> Option<Self> {
        let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let Some(program) = given(PROGRAM) else {
            assert!(given(REQUIRED).is_none(), "{REQUIRED} is set, and {PROGRAM} names no server");
            say("not tested: buckets; `. tools/stores.sh; find_moto` installs a server");
            return None;
        };
        let port = free_port();
        let mut command = Command::new("sh");
        command.arg("-c").arg(GUARD).arg(&program).arg(port.to_string()).process_group(0);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let stores = Self { guard: command.spawn().expect("a shell starts"), port };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{} does not serve", program.display());
            thread::sleep(Duration::from_millis(50));
        }
        Some(stores)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    pub fn make(&self, bucket: &str) {
        self.ask("PUT", bucket, "200");
    }

    /// Removes an empty bucket.
    pub fn remove(&self, bucket: &str) {
        self.ask("DELETE", bucket, "204");
    }

    fn ask(&self, method: &str, bucket: &str, expected: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let head = "Host: stores\r\nContent-Length: 0\r\nConnection: close";
        write!(stream, "{method} /{bucket} HTTP/1.1\r\n{head}\r\n\r\n").expect("it takes the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is text");
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{method} {bucket}: {answer}");
    }

    /// What a program needs in its environment to find `s3://` here, with this password.
    pub fn s3(&self, password: &str) -> Vec<(String, String)> {
        let settings = [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "prover".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", password.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What a program needs in its environment to find `gs://` here, with this token.
    pub fn gs(&self, token: &str) -> Vec<(String, String)> {
        let settings =
            [("GOOGLE_BASE_URL", &*self.url()), ("GOOGLE_ALLOW_HTTP", "true"), ("GOOGLE_BEARER_TOKEN", token)];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        // Its input ends, and it ends the server. Fails for one that has ended, which is as good.
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}
