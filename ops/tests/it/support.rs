//! What several subjects need beside what other crates need as well.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use ops::witness::Witness;
use serde::Deserialize;
use serde_json::Value;
use testing::witness::elsewhere;

/// The text of a witness of several blocks that a node recorded, if it is there.
pub(crate) fn recorded() -> Option<String> {
    elsewhere("witness_b3_b6.json").map(|path| std::fs::read_to_string(path).expect("a readable file"))
}

/// The one block of a JSON value, without the checks of a reader.
pub(crate) fn parse(block: &Value) -> Witness {
    Witness::deserialize(block).expect("it has the form of a witness")
}

/// A server on loopback that answers everything in the same way, until the test program ends.
pub(crate) struct Refusing {
    port: u16,
}

impl Refusing {
    pub(crate) fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close", body.len());
        let answer = format!("{head}\r\n\r\n{body}");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut request = BufReader::new(&stream);
                let mut length = 0;
                let mut line = String::new();
                while request.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let header = line.to_ascii_lowercase();
                    length = header.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap_or(0));
                    line.clear();
                }
                // All of it, or the connection is reset before the answer is read. Whoever goes away early misses it.
                let read = request.take(length).read_to_end(&mut Vec::new());
                drop(read.and_then(|_| (&stream).write_all(answer.as_bytes())));
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
