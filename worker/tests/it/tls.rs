//! TLS: a block over it, and one sentence for whoever is not believed.

use testing::broker::{Broker, Options, Tls};
use testing::certificates::Certificates;
use testing::home::Home;
use testing::process::{Process, Run, run};

use crate::support::{OK, SOON, USAGE, leader, mock_block, word, worker};

fn start(tls: Tls) -> Broker {
    Broker::start_with(&Options { tls: Some(tls), ..Options::default() })
}

fn ca(certificates: &Certificates) -> String {
    format!("--amqp-ca-file {}", word(&certificates.ca))
}

fn shown(certificates: &Certificates) -> String {
    let Certificates { client, client_key, .. } = certificates;
    format!("--amqp-cert-file {} --amqp-key-file {}", word(client), word(client_key))
}

/// A worker and a leader with these words prove a block.
fn proves(home: &Home, address: &str, words: &str, variables: &[(&str, &str)]) {
    let variables = || variables.iter().copied().chain([("AMQP_URI", address)]);
    let words_of_worker = format!("--mock-prover constant:1 {words}");
    let mut working = Process::start(home.command(&words_of_worker).envs(variables()));
    let proved = run(leader(home, &format!("{} {words}", mock_block())).envs(variables()), "");
    proved.expect(OK, &["connected", "amqps://127.0.0.1:", "MOCK, not proved: block 1"]);
    working.signal("TERM");
    working.end(SOON).expect(OK, &["connected", "amqps://127.0.0.1:", "drained"]);
}

/// A worker with these words ends with one sentence.
#[track_caller]
fn fails(home: &Home, address: &str, words: &str, variables: &[(&str, &str)], parts: &[&str]) {
    let words = format!("--mock-prover constant:1 {words}");
    let mut command = home.command(&words);
    let run: Run = run(command.envs(variables.iter().copied()).env("AMQP_URI", address), "");
    run.fails(&words, USAGE, parts);
}

const NO_TLS: &str = "no TLS with the broker at amqps://127.0.0.1:";
const WAY_OUT: &str = "see --amqp-ca-file and --amqp-cert-file";

#[test]
fn a_broker_is_believed_if_the_right_authority_vouches_for_it() {
    let (home, broker) = (worker(), start(Tls::Server));
    let (own, address) = (broker.certificates(), broker.tls_uri());
    let folder = tempfile::tempdir().expect("a folder");
    let strangers = Certificates::write(folder.path());
    // Known by a file, by the file that is asked for if nothing else is said, and where the system knows nobody.
    proves(&home, &address, &ca(own), &[]);
    proves(&home, &address, "", &[("SSL_CERT_FILE", word(&own.ca))]);
    let nobody = [("SSL_CERT_FILE", "/nowhere")];
    proves(&home, &address, &ca(own), &nobody);

    fails(&home, &address, "", &[], &[NO_TLS, WAY_OUT, "UnknownIssuer"]);
    fails(&home, &address, &ca(&strangers), &[], &[NO_TLS, WAY_OUT, "certificate"]);
    // Those of a file are believed instead of those of the system, not beside them.
    let system = [("SSL_CERT_FILE", word(&own.ca))];
    fails(&home, &address, &ca(&strangers), &system, &[NO_TLS, WAY_OUT, "certificate"]);
    fails(&home, &address, "", &nobody, &["no authority is known", "--amqp-ca-file"]);

    // Nothing but plain AMQP at the other end.
    let (plain, tls) = (broker.port().to_string(), address.rsplit([':', '/']).nth(1).expect("a port").to_owned());
    fails(&home, &address.replace(&tls, &plain), &ca(own), &[], &[NO_TLS, WAY_OUT]);
}

#[test]
fn a_broker_that_asks_for_certificates_is_shown_one() {
    let (home, broker) = (worker(), start(Tls::Mutual));
    let (own, address) = (broker.certificates(), broker.tls_uri());
    let folder = tempfile::tempdir().expect("a folder");
    let strangers = Certificates::write(folder.path());
    proves(&home, &address, &format!("{} {}", ca(own), shown(own)), &[]);

    fails(&home, &address, &ca(own), &[], &[NO_TLS, WAY_OUT, "CertificateRequired"]);
    fails(&home, &address, &format!("{} {}", ca(own), shown(&strangers)), &[], &[NO_TLS, WAY_OUT, "UnknownCA"]);
    fails(&home, &address, &format!("{} {}", ca(&strangers), shown(own)), &[], &[NO_TLS, WAY_OUT, "certificate"]);
}

/// The same at a leader, whose errors of this kind were once taken for those of a block.
#[test]
fn a_leader_says_the_same() {
    let (home, broker) = (worker(), start(Tls::Mutual));
    let certificates = broker.certificates();
    for words in [String::new(), ca(certificates)] {
        for command in [mock_block(), "queue status".to_owned()] {
            let words = format!("{command} {words}");
            let run = run(leader(&home, &words).env("AMQP_URI", broker.tls_uri()), "");
            run.says(&words, USAGE, &[NO_TLS, WAY_OUT]);
        }
    }
}
