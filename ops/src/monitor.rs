//! The HTTP server for whoever watches a process: metrics for Prometheus, probes for Kubernetes.
//!
//! On a thread and runtime of its own: it answers while all else is busy or stuck, which is when it matters.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use clap::Args;

use crate::metrics::{self, recent};
use crate::{env, exit, health};

/// Whom to answer, and what is kept for them.
#[derive(Args, Clone, Debug)]
pub struct MonitorArgs {
    /// Address to answer Prometheus (/metrics) and probes (/livez, /readyz) at, such as 127.0.0.1:9464. [default: none]
    #[arg(long, global = true, value_name = "HOST:PORT", env = env::METRICS_ADDR, value_parser = address, help_heading = "Monitoring")]
    pub metrics_addr: Option<SocketAddr>,
    /// Seconds that numbers of a single block or segment are kept after they were last written.
    #[arg(long, global = true, value_name = "SECONDS", env = env::METRICS_RECENT_SECONDS, default_value = "3600", help_heading = "Monitoring")]
    pub metrics_recent_seconds: u64,
    /// Series of single blocks and segments that are kept at most; the oldest go first.
    #[arg(long, global = true, value_name = "N", env = env::METRICS_RECENT_SERIES, default_value = "2000", help_heading = "Monitoring")]
    pub metrics_recent_series: NonZeroUsize,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and port, such as 127.0.0.1:9464 or 0.0.0.0:9464".to_owned())
}

impl MonitorArgs {
    /// Starts to answer, if an address is given. `binary` and `commit` are what it says of itself.
    pub fn start(&self, binary: &str, commit: &str) -> anyhow::Result<()> {
        metrics::build_info(binary, env!("CARGO_PKG_VERSION"), commit);
        recent::limit(recent::Limits {
            age: Duration::from_secs(self.metrics_recent_seconds),
            series: self.metrics_recent_series.get(),
        });
        let Some(address) = self.metrics_addr else { return Ok(()) };
        let listen = || -> std::io::Result<TcpListener> {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = listen().map_err(|error| exit::usage(format!("--metrics-addr {address}: {error}")))?;
        tracing::info!(address = %listener.local_addr().unwrap_or(address), "metrics and probes are served");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime of the metrics")?;
        let serve = move || {
            let served =
                runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, routes()).await });
            if let Err(error) = served {
                tracing::error!("metrics and probes are no longer served: {error}");
            }
        };
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(serve)
            .context("cannot start the metrics' thread")?;
        Ok(())
    }
}

fn routes() -> Router {
    let text = |body: String| ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body);
    let probe = |state: Result<(), String>| match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    };
    Router::new()
        .route("/metrics", get(move || async move { text(metrics::render()) }))
        .route("/livez", get(move || async move { probe(health::alive()) }))
        .route("/readyz", get(move || async move { probe(health::ready()) }))
}
