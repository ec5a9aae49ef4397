//! A node that answers from a recording: JSON-RPC over HTTP/1.1 on loopback, with batches. It counts what is asked, and
//! answers wrongly when told to.

mod recording;
mod trie;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

pub use recording::{Heads, Recording, recorded};

/// Changes a result, given the parameters.
pub type Bend = dyn Fn(&Value, &mut Value) + Send + Sync;

/// A node on a loopback port. Dropped, it is gone.
#[derive(Debug)]
pub struct Replay {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    recording: Arc<Recording>,
    state: Mutex<State>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    heads: Heads,
    faults: Vec<Fault>,
    requests: usize,
    calls: BTreeMap<String, usize>,
    connections: Vec<TcpStream>,
}

/// Something that the node does wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it concerns; `None`: every call.
    pub method: Option<&'static str>,
    /// How often; `None`: always.
    pub times: Option<usize>,
    /// What it does.
    pub wrong: Wrong,
}

/// A wrong answer.
#[derive(Clone)]
pub enum Wrong {
    /// The body ends in its middle.
    Truncated,
    /// An HTTP status, with the seconds of `Retry-After`.
    Status(u16, Option<u64>),
    /// The connection is closed without an answer.
    Closed,
    /// The right answer, too late.
    Slow(Duration),
    /// The right answer with white space of so many bytes.
    Huge(usize),
    /// A body that is no JSON.
    Garbage,
    /// An error of JSON-RPC.
    Error(i64, &'static str),
    /// The result is made another, given the parameters.
    Bent(Arc<Bend>),
}

impl Wrong {
    /// A result that is changed.
    pub fn bent(bend: impl Fn(&Value, &mut Value) + Send + Sync + 'static) -> Self {
        Self::Bent(Arc::new(bend))
    }

    /// Another result.
    pub fn result(result: Value) -> Self {
        Self::bent(move |_, answer| *answer = result.clone())
    }

    /// A result with another value at a place, which must be there.
    pub fn at(pointer: &'static str, value: Value) -> Self {
        Self::bent(move |_, answer| {
            if let Some(place) = answer.pointer_mut(pointer) {
                *place = value.clone();
            }
        })
    }
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("Truncated"),
            Self::Status(status, retry) => write!(f, "Status({status}, {retry:?})"),
            Self::Closed => f.write_str("Closed"),
            Self::Slow(time) => write!(f, "Slow({time:?})"),
            Self::Huge(bytes) => write!(f, "Huge({bytes})"),
            Self::Garbage => f.write_str("Garbage"),
            Self::Error(code, message) => write!(f, "Error({code}, {message})"),
            Self::Bent(_) => f.write_str("Bent"),
        }
    }
}

impl Replay {
    /// Starts a node.
    pub fn start(recording: Arc<Recording>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let head = recording.head();
        let state = State {
            heads: Heads { latest: head, finalized: Some(head) },
            faults: Vec::new(),
            requests: 0,
            calls: BTreeMap::new(),
            connections: Vec::new(),
        };
        let shared = Arc::new(Shared { recording, state: Mutex::new(state), ended: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&listener, &accepting)));
        Self { port, shared, acceptor }
    }

    /// One that answers as Jerigon did; `None`, said aloud, where the recording is absent.
    pub fn jerigon() -> Option<Self> {
        Recording::jerigon().map(Self::start)
    }

    /// One that answers as geth did; `None`, said aloud, where the recording is absent.
    pub fn geth() -> Option<Self> {
        Recording::geth().map(Self::start)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The chain seems to end elsewhere.
    pub fn set_heads(&self, heads: Heads) {
        self.shared.lock().heads = heads;
    }

    /// From now on something goes wrong. Of several faults that concern a call the first counts.
    pub fn fault(&self, method: impl Into<Option<&'static str>>, times: impl Into<Option<usize>>, wrong: Wrong) {
        self.shared.lock().faults.push(Fault { method: method.into(), times: times.into(), wrong });
    }

    /// From now on nothing goes wrong.
    pub fn mend(&self) {
        self.shared.lock().faults.clear();
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.shared.lock().calls.get(method).copied().unwrap_or_default()
    }

    /// How often each method was called.
    pub fn all_calls(&self) -> BTreeMap<String, usize> {
        self.shared.lock().calls.clone()
    }

    /// HTTP requests so far; a batch is one.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for connection in self.shared.lock().connections.drain(..) {
            // Fails where the other side was faster.
            drop(connection.shutdown(Shutdown::Both));
        }
        // Wakes the acceptor.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

impl State {
    /// What goes wrong with this call.
    fn wrong(&mut self, method: &str) -> Option<Wrong> {
        let concerns = |fault: &&mut Fault| fault.times != Some(0) && fault.method.is_none_or(|of| of == method);
        let fault = self.faults.iter_mut().find(concerns)?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.wrong.clone())
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(connection) = connection else { continue };
        connection.set_nodelay(true).expect("a socket");
        shared.lock().connections.push(connection.try_clone().expect("a socket"));
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // The end of a connection, whoever ends it.
            drop(serve(&connection, &shared));
            drop(connection.shutdown(Shutdown::Both));
        });
    }
}

/// Answers one request after another.
fn serve(mut connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while input.read_line(&mut line)? > 0 && !line.trim().is_empty() {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let (answer, wrong) = answer(shared, &serde_json::from_slice(&body)?);
        let mut body = serde_json::to_vec(&answer)?;
        let mut head = "200 OK".to_owned();
        let mut sent = usize::MAX;
        match wrong {
            Some(Wrong::Closed) => return Ok(()),
            Some(Wrong::Slow(time)) => thread::sleep(time),
            Some(Wrong::Huge(bytes)) => body.extend(vec![b' '; bytes]),
            Some(Wrong::Truncated) => sent = body.len() / 2,
            Some(Wrong::Garbage) => body = b"<html>it works</html>".to_vec(),
            Some(Wrong::Status(status, retry)) => {
                let retry = retry.map_or(String::new(), |seconds| format!("\r\nRetry-After: {seconds}"));
                head = format!("{status} Wrong{retry}");
                body = b"try another time".to_vec();
            }
            Some(Wrong::Error(..) | Wrong::Bent(_)) | None => {}
        }
        let length = body.len();
        write!(connection, "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n")?;
        connection.write_all(&body[..length.min(sent)])?;
        connection.flush()?;
        if sent < length {
            return Ok(());
        }
    }
}

/// The answer, and what goes wrong with the way it is sent.
fn answer(shared: &Shared, request: &Value) -> (Value, Option<Wrong>) {
    let mut wrong = None;
    shared.lock().requests += 1;
    let mut each = |call: &Value| {
        let (method, params) = (call["method"].as_str().expect("a method"), &call["params"]);
        let (heads, fault) = {
            let mut state = shared.lock();
            *state.calls.entry(method.to_owned()).or_default() += 1;
            (state.heads, state.wrong(method))
        };
        let mut answer = shared.recording.answer(method, params, heads);
        match fault {
            Some(Wrong::Error(code, message)) => answer = json!({"error": {"code": code, "message": message}}),
            Some(Wrong::Bent(bend)) => bend(params, &mut answer["result"]),
            Some(other) => wrong = Some(other),
            None => {}
        }
        answer["jsonrpc"] = "2.0".into();
        answer["id"] = call["id"].clone();
        answer
    };
    let answer = match request {
        Value::Array(calls) => calls.iter().map(each).collect(),
        call => each(call),
    };
    (answer, wrong)
}
