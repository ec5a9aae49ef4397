//! A relay between a client and a server on loopback: the network that a test takes away.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::broker::free_port;

const POLL: Duration = Duration::from_millis(5);

/// Passes on what comes to its port, and what is answered, until told otherwise.
///
/// Where the server cannot be reached, a connection is accepted and closed at once.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    /// Both ends of all connections since the last cut.
    connections: Vec<[TcpStream; 2]>,
    cuts: usize,
    stalled: bool,
    ended: bool,
}

impl Relay {
    /// Relays to a loopback port.
    pub fn to(port: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let mut relay = Self { port: free_port(), shared: Arc::clone(&shared), acceptor: None };
        relay.refuse(false);
        relay.acceptor = Some(thread::spawn(move || accept(&shared, port)));
        relay
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all present connections in the middle of whatever they carry. New ones are accepted.
    pub fn cut(&self) {
        self.shared.lock().cut();
        self.shared.changed.notify_all();
    }

    /// While true, nothing listens on the port; present connections stay.
    pub fn refuse(&self, refuse: bool) {
        let mut state = self.shared.lock();
        if refuse {
            state.listener = None;
        } else if state.listener.is_none() {
            let listener = TcpListener::bind(local(self.port)).expect("nobody else listens there");
            listener.set_nonblocking(true).expect("a socket");
            state.listener = Some(listener);
        }
    }

    /// While true, connections are accepted and stay open, but nothing gets through, not even that an end has closed.
    pub fn stall(&self, stall: bool) {
        self.shared.lock().stalled = stall;
        self.shared.changed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.cut();
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Waits while the relay is stalled. Returns at once for a connection that was cut.
    fn pass(&self, cuts: usize) {
        let waiting = |state: &mut State| state.stalled && state.cuts == cuts;
        drop(self.changed.wait_while(self.lock(), waiting).expect("nobody panics with it"));
    }
}

impl State {
    fn cut(&mut self) {
        self.cuts += 1;
        for end in self.connections.drain(..).flatten() {
            close(&end, Shutdown::Both);
        }
    }
}

/// Accepts connections until the relay ends.
fn accept(shared: &Arc<Shared>, port: u16) {
    loop {
        let mut state = shared.lock();
        if state.ended {
            return;
        }
        // Fails while nobody connects, or for one who has gone away again.
        let Some(Ok((client, _))) = state.listener.as_ref().map(TcpListener::accept) else {
            drop(state);
            thread::sleep(POLL);
            continue;
        };
        if let Ok(ends) = connect(client, port) {
            let cuts = state.cuts;
            for (from, to) in [(0, 1), (1, 0)] {
                let [from, to] = [from, to].map(|end: usize| ends[end].try_clone().expect("a socket"));
                let shared = Arc::clone(shared);
                thread::spawn(move || pump(from, to, &shared, cuts));
            }
            state.connections.push(ends);
        }
    }
}

fn connect(client: TcpStream, port: u16) -> std::io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect_timeout(&local(port), Duration::from_secs(1))?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    Ok([client, server])
}

/// Passes on what comes from one end until that end closes.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared, cuts: usize) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        shared.pass(cuts);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    close(&from, Shutdown::Read);
    close(&to, Shutdown::Write);
}

fn close(end: &TcpStream, how: Shutdown) {
    // Fails where the other side was faster.
    drop(end.shutdown(how));
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
