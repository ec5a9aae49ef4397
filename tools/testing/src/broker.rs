//! A private RabbitMQ for a test: started, stopped, killed, paused and asked for its queues.
//!
//! Everything in here blocks and panics with a sentence where a test cannot go on. A node needs a few seconds to start
//! and 100 MB of memory, so tests that only need some broker may share one in a `static`: nothing drops that, but a
//! node ends with the process that started it, however that ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::Certificates;

mod files;

/// For a node to start, to stop, or to say of a queue what it should; far more than an overloaded machine needs.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Kills the processes of the line read last, once nobody can write another.
const GUARD: &str = "while read -r line; do pids=$line; done; kill -KILL $pids; sleep 1; rm -rf -- \"$1\"";

/// How a broker differs from one with the settings that RabbitMQ ships with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Lines of `rabbitmq.conf`, such as `consumer_timeout = 5000`. The later of two for the same key counts.
    pub conf: String,
    /// Listen for TLS as well.
    pub tls: Option<Tls>,
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// The broker.
    Server,
    /// The broker, and every client one of the same authority.
    Mutual,
}

/// The state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer has and did not acknowledge yet.
    pub unacked: u64,
    /// Consumers.
    pub consumers: u64,
}

/// A RabbitMQ node in a folder and on loopback ports of its own. Ends with all of it when dropped.
#[derive(Debug)]
pub struct Broker {
    node: Option<Child>,
    /// The register of Erlang's nodes; one of its own, since a shared one would outlive the tests.
    epmd: Child,
    guard: Child,
    pids: ChildStdin,
    port: u16,
    tls: Option<(u16, Certificates)>,
    settings: Vec<(&'static str, String)>,
    // Last: gone when no process is left that writes to it.
    folder: TempDir,
}

/// Whether RabbitMQ is installed.
pub fn available() -> bool {
    files::installation().is_some()
}

/// Whether something on this loopback port answers to the header of AMQP 0-9-1 as a broker does.
pub fn answers(port: u16) -> bool {
    let greet = || {
        let mut stream = TcpStream::connect_timeout(&local(port), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"AMQP\0\0\x09\x01")?;
        let mut frame = [0];
        stream.read_exact(&mut frame).map(|()| frame)
    };
    // `connection.start` comes in a method frame; a refusal would be a header again.
    matches!(greet(), Ok::<_, std::io::Error>([1]))
}

impl Broker {
    /// Starts a broker and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// As [`Broker::start`], with settings that differ.
    pub fn start_with(options: &Options) -> Self {
        let installation = files::installation().expect("no RabbitMQ here: install rabbitmq-server");
        let folder = tempfile::Builder::new().prefix("broker-").tempdir().expect("a folder");
        let path = folder.path();
        let port = free_port();
        let tls = options.tls.map(|_| (free_port(), Certificates::write(path)));
        files::link_installation(path, &installation);
        files::write_settings(path, port, tls.as_ref(), options);
        let settings = files::environment(path);

        let mut guard = prepared("sh", path, &settings);
        let mut guard = guard.args(["-c", GUARD, "guard"]).arg(path).stdin(Stdio::piped()).spawn().expect("sh starts");
        let pids = guard.stdin.take().expect("a pipe");
        let mut epmd = prepared("epmd", path, &settings);
        let epmd = epmd.args(["-address", "127.0.0.1"]).spawn().expect("epmd, which comes with Erlang, starts");
        let mut broker = Self { node: None, epmd, guard, pids, port, tls, settings, folder };
        broker.boot();
        broker
    }

    /// Where clients connect, as the user `guest`, who may do everything.
    pub fn uri(&self) -> String {
        self.uri_of("guest", "guest")
    }

    /// Where clients connect as some user.
    pub fn uri_of(&self, user: &str, password: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/%2f", self.port)
    }

    /// The port for AMQP without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that it writes, with its log in `log/node.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where clients connect with TLS.
    ///
    /// # Panics
    ///
    /// If [`Options::tls`] was not asked for.
    pub fn tls_uri(&self) -> String {
        let (port, _) = self.tls.as_ref().expect("started with TLS");
        format!("amqps://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// The files that clients need for TLS.
    ///
    /// # Panics
    ///
    /// If [`Options::tls`] was not asked for.
    pub fn certificates(&self) -> &Certificates {
        let (_, certificates) = self.tls.as_ref().expect("started with TLS");
        certificates
    }

    /// Stops the node in an orderly way: clients are told.
    pub fn stop(&mut self) {
        self.signal("TERM");
        // A paused one learns of it only now.
        self.resume();
        self.reap();
    }

    /// Ends the node as a crash would: clients see their connections end, and what was not on disk is lost.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.reap();
    }

    /// Starts the node again with the same ports and data, after stopping it where it runs.
    pub fn restart(&mut self) {
        if self.node.is_some() {
            self.stop();
        }
        self.boot();
    }

    /// Lets the node do nothing any more, its connections open: to its clients as if it hung.
    pub fn pause(&self) {
        self.signal("STOP");
        // On a busy machine its threads go on for a moment after the signal was sent.
        let Some(node) = &self.node else { return };
        let end = Instant::now() + PATIENCE;
        while !is_stopped(node.id()) {
            assert!(Instant::now() < end, "the broker does not pause");
            thread::sleep(POLL);
        }
    }

    /// Ends [`Broker::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Runs `rabbitmqctl`, which takes a second, or 15 if the node is paused. Returns what it printed, or what went
    /// wrong in its words.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = prepared("home/sbin/rabbitmqctl", self.folder.path(), &self.settings);
        let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().expect("rabbitmqctl starts");
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A script that does what `rabbitmqctl` does to this node, for programs that call that.
    pub fn ctl_script(&self) -> PathBuf {
        let exports: String = self.settings.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        let path = self.folder.path().join("home/sbin/rabbitmqctl");
        let text = format!("#!/bin/sh\n{exports}exec '{}' \"$@\"\n", path.display());
        files::write(self.folder.path(), "rabbitmqctl.sh", &text)
    }

    /// The queues, by name. A count may be 0.1 s old, and 0 for a moment after a restart: see [`Broker::await_queue`].
    pub fn queues(&self) -> Vec<Queue> {
        let columns = ["name", "messages_ready", "messages_unacknowledged", "consumers"];
        let table = self.must(&[&["list_queues", "--silent"], &columns[..]].concat());
        let mut queues: Vec<_> = table.lines().map(queue).collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    /// Waits until a queue is there and as wanted.
    ///
    /// # Panics
    ///
    /// If it is not so after two minutes.
    pub fn await_queue(&self, name: &str, wanted: impl Fn(&Queue) -> bool) -> Queue {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.queues().into_iter().find(|queue| queue.name == name);
            match found {
                Some(queue) if wanted(&queue) => return queue,
                found => assert!(Instant::now() < end, "`{name}` did not become as wanted: {found:?}"),
            }
        }
    }

    /// Deletes a queue with all messages.
    pub fn delete_queue(&self, name: &str) {
        self.must(&["delete_queue", name]);
    }

    /// Makes things, such as queues, from a JSON document as `rabbitmqctl export_definitions` prints it.
    pub fn define(&self, definitions: &str) {
        let path = files::write(self.folder.path(), "definitions.json", definitions);
        self.must(&["import_definitions", path.to_str().expect("a path in text")]);
    }

    /// Adds a user whose rights are three regular expressions over names of queues and exchanges.
    pub fn add_user(&self, name: &str, password: &str, configure: &str, write: &str, read: &str) {
        self.must(&["add_user", name, password]);
        self.must(&["set_permissions", "-p", "/", name, configure, write, read]);
    }

    /// Sets a policy, such as `{"delivery-limit": 3}`, for all queues whose name matches a regular expression.
    pub fn set_policy(&self, name: &str, pattern: &str, definition: &str) {
        self.must(&["set_policy", name, pattern, definition, "--apply-to", "queues"]);
    }

    /// Raises or ends the alarm for memory, during which the broker reads nothing from connections that publish.
    pub fn memory_alarm(&self, raised: bool) {
        self.must(&["set_vm_memory_high_watermark", if raised { "0.0000001" } else { "0.4" }]);
    }

    /// Closes all connections, each with this reason, as an operator would.
    pub fn close_all_connections(&self, reason: &str) {
        self.must(&["close_all_connections", reason]);
    }

    fn must(&self, arguments: &[&str]) -> String {
        self.ctl(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {}: {error}", arguments.join(" ")))
    }

    fn boot(&mut self) {
        let path = self.folder.path();
        let output = File::options().create(true).append(true).open(path.join("output")).expect("a file");
        let mut node = prepared("home/sbin/rabbitmq-server", path, &self.settings);
        let node = node.stdout(output.try_clone().expect("a file")).stderr(output);
        self.node = Some(node.spawn().expect("rabbitmq-server starts"));
        self.tell_guard();
        let end = Instant::now() + PATIENCE;
        while !answers(self.port) {
            let ended = self.node.as_mut().and_then(|node| node.try_wait().expect("a child"));
            if ended.is_some() || Instant::now() > end {
                panic!("the broker does not start, {ended:?}:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    fn signal(&self, signal: &str) {
        if let Some(node) = &self.node {
            let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", node.id())]).status();
            assert!(kill.is_ok_and(|status| status.success()), "cannot send {signal} to the broker");
        }
    }

    /// Waits for the end of the node.
    fn reap(&mut self) {
        let end = Instant::now() + PATIENCE;
        while let Some(node) = &mut self.node {
            if node.try_wait().expect("a child").is_some() {
                self.node = None;
                self.tell_guard();
            } else {
                assert!(Instant::now() < end, "the broker does not stop:\n{}", self.log());
                thread::sleep(POLL);
            }
        }
    }

    fn tell_guard(&mut self) {
        let node = self.node.as_ref().map(Child::id);
        let pids: Vec<_> = [Some(self.epmd.id()), node].into_iter().flatten().map(|pid| pid.to_string()).collect();
        writeln!(self.pids, "{}", pids.join(" ")).expect("the guard reads");
    }

    /// The end of what the node said.
    fn log(&self) -> String {
        let tail = |name| {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(100)..].join("\n")
        };
        [tail("output"), tail("log/node.log")].join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for process in [&mut self.guard, &mut self.epmd].into_iter().chain(&mut self.node) {
            // Fails for one that has ended, which is as good.
            drop(process.kill().and_then(|()| process.wait()));
        }
    }
}

/// A program, on the PATH or in the folder, that will know nothing but these settings.
fn prepared(program: &str, folder: &Path, settings: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(if program.contains('/') { folder.join(program) } else { program.into() });
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(settings.iter().cloned());
    // Not in the group of the tests: Ctrl-C would end the guard before it has seen the tests end.
    command.current_dir(folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A line of `rabbitmqctl list_queues`.
fn queue(line: &str) -> Queue {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, ready, unacked, consumers] = fields[..] else { panic!("not a name and three counts: {line:?}") };
    let count = |text: &str| text.parse().unwrap_or_else(|error| panic!("not a count in {line:?}: {error}"));
    Queue { name: name.to_owned(), ready: count(ready), unacked: count(unacked), consumers: count(consumers) }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A loopback port that nothing listens on, not given out by this process before.
///
/// From below the range that Linux gives to outgoing connections: there, one of those could take the port while a
/// stopped broker waits to be started again, and a client that tries to connect could even connect to itself.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes that run at the same time, whose ids are close, begin at ports that are not.
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + place % 22_000).expect("below 32000");
        if TcpListener::bind(local(port)).is_ok() {
            return port;
        }
    }
}

/// Whether all threads of a process are stopped by a signal.
fn is_stopped(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    threads.filter_map(Result::ok).all(|thread| {
        // The state comes after the name, which stands in parentheses and may hold anything.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}
