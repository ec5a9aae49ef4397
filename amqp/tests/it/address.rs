//! Addresses and credentials of a broker: what is read, and that no password is ever shown.

use std::fs;
use std::path::{Path, PathBuf};

use amqp::connect::{Broker, BrokerArgs};
use testing::certificates::Certificates;

use crate::support::args;

/// What must not be seen anywhere.
const SECRET: &str = "hunter2";

#[test]
fn addresses_are_read() {
    let cases = [
        ("amqp://broker", "amqp://broker:5672/%2f"),
        // As the RabbitMQ cluster operator writes it.
        ("amqp://user:hunter2@broker:5672/", "amqp://broker:5672/%2f"),
        ("amqp://user:hunter2@broker:5672/%2f", "amqp://broker:5672/%2f"),
        ("amqp://user:hunter2@broker:5673/prover", "amqp://broker:5673/prover"),
        ("amqp://user:hunter2%2f%40@broker/prover", "amqp://broker:5672/prover"),
        ("amqp://user:hunter2@127.0.0.1", "amqp://127.0.0.1:5672/%2f"),
        // The parser of the library would take the local host for these.
        ("amqp://user:hunter2@[2001:db8::1]:5673/prover", "amqp://[2001:db8::1]:5673/prover"),
        ("amqp://[::1]", "amqp://[::1]:5672/%2f"),
        ("amqp://user:hunter2@broker/prover?heartbeat=10", "amqp://broker:5672/prover"),
    ];
    for (address, shown) in cases {
        let args = args(address);
        let broker = Broker::new(&args).expect(address);
        assert_eq!(broker.to_string(), shown, "{address}");
        for text in [format!("{broker:?}"), format!("{args:?}"), format!("{:?}", args.amqp_uri)] {
            assert!(!text.contains(SECRET), "{address}: {text}");
        }
    }
}

#[test]
fn what_is_no_address_is_refused_without_repeating_it() {
    let cases = [
        ("hunter2", "amqp://"),
        ("user:hunter2@broker", "amqp://"),
        ("amqp:user:hunter2@broker", "amqp://"),
        ("http://user:hunter2@broker", "amqp://"),
        ("amqp://user:hunter2@broker:port", "port"),
        ("amqp://user:hunter2@broker:99999", "port"),
        ("amqp://user:hunter2@broker?heartbeat=soon", "digit"),
        ("amqp://user:hunter2@broker?auth_mechanism=magic", "magic"),
        // What is behind the slash would pass for a vhost, and that is shown.
        ("amqp://user:12/hunter2@broker/prover", "%2f"),
        ("amqp://user:12#hunter2@broker/prover", "%23"),
    ];
    for (address, part) in cases {
        let error = Broker::new(&args(address)).expect_err(address);
        let text = error.to_string();
        assert!(text.contains("--amqp-uri") && text.contains(part), "{address}: {text}");
        assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{address}: {error:?}");
    }
    let error = Broker::new(&args("")).expect_err("nothing").to_string();
    assert!(error.contains("--amqp-uri") && error.contains("AMQP_URI"), "{error}");
}

fn refused(args: &BrokerArgs, parts: &[&str]) {
    let error = Broker::new(args).expect_err("it is to be refused");
    for part in parts {
        assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    }
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
}

#[test]
fn files_with_credentials_are_read_or_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("it is written");
        Some(path)
    };
    let plain = || args("amqp://broker");
    let password = BrokerArgs { amqp_password_file: file("password", b"hunter2\n"), ..plain() };
    let broker = Broker::new(&password).expect("a password");
    assert!(!format!("{broker} {broker:?}").contains(SECRET));
    refused(&BrokerArgs { amqp_password_file: Some("absent".into()), ..plain() }, &["absent"]);
    refused(&BrokerArgs { amqp_username_file: Some(folder.path().to_owned()), ..plain() }, &["cannot read"]);
    let binary = file("binary", b"hunter2\xff");
    refused(&BrokerArgs { amqp_password_file: binary, ..plain() }, &["binary", "not text"]);
    let large = file("large", &vec![b'x'; (1 << 20) + 1]);
    refused(&BrokerArgs { amqp_password_file: large, ..plain() }, &["large", "1048577 bytes"]);
    // Variables that are set and empty, as scripts leave them.
    let empty = BrokerArgs { amqp_password_file: Some(PathBuf::new()), amqp_ca_file: Some(PathBuf::new()), ..plain() };
    Broker::new(&empty).expect("nothing is given");
}

#[test]
fn certificates_are_looked_at_before_anything_connects() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("own")).expect("a folder");
    fs::create_dir(path("strange")).expect("a folder");
    let (own, strange) = (Certificates::write(&path("own")), Certificates::write(&path("strange")));
    fs::write(path("none"), "hunter2").expect("it is written");
    fs::write(path("torn"), "-----BEGIN CERTIFICATE-----\nhunter2").expect("it is written");
    let with = |ca: &Path, shown: Option<(&Path, &Path)>| BrokerArgs {
        amqp_ca_file: Some(ca.to_owned()),
        amqp_cert_file: shown.map(|(certificate, _)| certificate.to_owned()),
        amqp_key_file: shown.map(|(_, key)| key.to_owned()),
        ..args("amqps://user:hunter2@broker/prover")
    };
    let broker = Broker::new(&with(&own.ca, Some((&own.client, &own.client_key)))).expect("certificates");
    assert_eq!(broker.to_string(), "amqps://broker:5671/prover");

    refused(&with(&path("absent"), None), &["absent"]);
    refused(&with(&path("none"), None), &["none", "no certificate"]);
    refused(&with(&path("torn"), None), &["torn"]);
    refused(&with(&own.ca, Some((&path("none"), &own.client_key))), &["none", "no certificate"]);
    refused(&with(&own.ca, Some((&own.client, &path("none")))), &["none", "no private key"]);
    refused(&with(&own.ca, Some((&own.client, &strange.client_key))), &["client.pem"]);
    let half = BrokerArgs { amqp_key_file: None, ..with(&own.ca, Some((&own.client, &own.client_key))) };
    refused(&half, &["--amqp-cert-file", "--amqp-key-file"]);
    let plain = BrokerArgs { amqp_uri: "amqp://broker".parse().ok(), ..with(&own.ca, None) };
    refused(&plain, &["certificates", "not amqps://"]);
}
