//! The files and the environment that a node of RabbitMQ starts with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Options, Tls, free_port};
use crate::certificates::Certificates;

/// Where packages put the scripts. Those that they put on the PATH change the user and read the system's settings.
const PACKAGED: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The folder that has RabbitMQ's `sbin`, `escript` and `plugins`.
pub(super) fn installation() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("rabbitmq-server"));
    [PathBuf::from(PACKAGED)].into_iter().chain(on_path).find_map(|script| {
        let folder = script.canonicalize().ok()?.parent()?.parent()?.to_owned();
        folder.join("plugins").is_dir().then_some(folder)
    })
}

/// Makes `home`, which is the installation without plugins.
///
/// A node looks for every module in the folder of every plugin, enabled or not: without them it starts in half the time.
pub(super) fn link_installation(folder: &Path, installation: &Path) {
    let home = folder.join("home");
    fs::create_dir_all(home.join("plugins")).expect("a folder");
    let link = |name: &str| symlink(installation.join(name), home.join(name)).expect("a link");
    link("sbin");
    link("escript");
    for entry in fs::read_dir(installation.join("plugins")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name in text");
        if !name.starts_with("rabbitmq_") || name.starts_with("rabbitmq_prelaunch") {
            link(&format!("plugins/{name}"));
        }
    }
}

/// Writes the files that a node takes its settings from.
pub(super) fn write_settings(folder: &Path, port: u16, tls: Option<&(u16, Certificates)>, options: &Options) {
    write(folder, "rabbitmq.conf", &configuration(port, tls, options));
    // An overdue acknowledgement shows after a second instead of a minute; counts of quorum queues, which are samples,
    // are 0.1 s old instead of 5 s.
    write(folder, "advanced.config", "[{rabbit, [{channel_tick_interval, 1000}, {quorum_tick_interval, 100}]}].\n");
    write(folder, "enabled_plugins", "[].\n");
}

fn configuration(port: u16, tls: Option<&(u16, Certificates)>, options: &Options) -> String {
    let mut lines = vec![
        format!("listeners.tcp.local = 127.0.0.1:{port}"),
        "log.file = node.log".to_owned(),
        // A full disk is not what is tested.
        "disk_free_limit.absolute = 1MB".to_owned(),
    ];
    if let Some((port, certificates)) = tls {
        let mutual = options.tls == Some(Tls::Mutual);
        lines.extend([
            format!("listeners.ssl.local = 127.0.0.1:{port}"),
            format!("ssl_options.cacertfile = {}", certificates.ca.display()),
            format!("ssl_options.certfile = {}", certificates.server.display()),
            format!("ssl_options.keyfile = {}", certificates.server_key.display()),
            format!("ssl_options.verify = {}", if mutual { "verify_peer" } else { "verify_none" }),
            format!("ssl_options.fail_if_no_peer_cert = {mutual}"),
        ]);
    }
    lines.push(options.conf.clone());
    lines.join("\n") + "\n"
}

/// The environment of all processes of a node: nothing of the user's or the system's is read.
pub(super) fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| folder.join(name).to_str().expect("a path in text").to_owned();
    let loopback = "-kernel inet_dist_use_interface {127,0,0,1}".to_owned();
    vec![
        // Erlang keeps its cookie there.
        ("HOME", at("")),
        // Else rabbitmqctl complains about the terminal.
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("ERL_EPMD_PORT", free_port().to_string()),
        ("ERL_CRASH_DUMP", at("crash")),
        // Lets the script become the node, which then has the id of the child and needs nobody to pass signals on.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ("RABBITMQ_NODENAME", "broker@localhost".to_owned()),
        ("RABBITMQ_DIST_PORT", free_port().to_string()),
        // Any free port, instead of one of eleven.
        ("RABBITMQ_CTL_DIST_PORT_MIN", "0".to_owned()),
        ("RABBITMQ_CTL_DIST_PORT_MAX", "0".to_owned()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback.clone()),
        ("RABBITMQ_CTL_ERL_ARGS", loopback),
        // Nodes of several tests would bind themselves to the same cores.
        ("RABBITMQ_SCHEDULER_BIND_TYPE", "u".to_owned()),
        ("RABBITMQ_SCRIPTS_DIR", at("home/sbin")),
        ("RABBITMQ_CONF_ENV_FILE", at("none")),
        ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", at("mnesia")),
        ("RABBITMQ_LOG_BASE", at("log")),
    ]
}

pub(super) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("it is written");
    path
}
