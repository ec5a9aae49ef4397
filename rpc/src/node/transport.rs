//! JSON-RPC over HTTP with limits: alloy's client on top, an answer of bounded size and in bounded time below.

use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use tower_service::Service;

/// What goes wrong below JSON-RPC.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpFailure {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no answer in time")]
    Timeout,
    #[error("HTTP status {status}")]
    Status { status: u16, retry_after: Option<u64> },
    #[error("broken off: {0}")]
    Broken(String),
    #[error("too large")]
    TooLarge,
    #[error("not JSON-RPC: {0}")]
    NotJson(String),
}

/// The transport under alloy's client.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    url: Url,
    limit: u64,
}

impl Http {
    pub(super) fn new(url: Url, timeout: Duration, limit: u64) -> Result<Self, reqwest::Error> {
        // Fails when one is installed already, which then serves as well.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::trace!("a provider of cryptography is installed already");
        }
        let client = Client::builder()
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .timeout(timeout)
            .user_agent(concat!("blockproof-rpc/", env!("CARGO_PKG_VERSION")))
            // A redirect would turn the question into another one, and credentials could go elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url, limit })
    }

    async fn ask(self, packet: RequestPacket) -> Result<ResponsePacket, HttpFailure> {
        let body = serde_json::to_vec(&packet).map_err(|error| HttpFailure::NotJson(error.to_string()))?;
        let sent = self.client.post(self.url).header(CONTENT_TYPE, "application/json").body(body).send().await;
        let response = sent.map_err(|error| failure(&error))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        let refused = HttpFailure::Status { status: status.as_u16(), retry_after };
        if matches!(status.as_u16(), 408 | 429 | 502..=504) {
            return Err(refused);
        }
        let body = read(response, self.limit).await?;
        match serde_json::from_slice(&body) {
            // Some nodes put an error of JSON-RPC into an answer with another status.
            Ok(packet) => Ok(packet),
            Err(_) if !status.is_success() => Err(refused),
            Err(error) if error.is_eof() => Err(HttpFailure::Broken(format!("it ends after {} bytes", body.len()))),
            Err(error) => Err(HttpFailure::NotJson(error.to_string())),
        }
    }
}

async fn read(mut response: Response, limit: u64) -> Result<Vec<u8>, HttpFailure> {
    let announced = response.content_length().unwrap_or_default();
    if announced > limit {
        return Err(HttpFailure::TooLarge);
    }
    // What is announced need not come.
    let mut body = Vec::with_capacity(announced.min(1 << 20) as usize);
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(HttpFailure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// reqwest's errors name the whole address, which may hold credentials; what they come from does not.
fn failure(error: &reqwest::Error) -> HttpFailure {
    let mut reason = None;
    let mut source = error.source();
    while let Some(inner) = source {
        reason = Some(inner.to_string());
        source = inner.source();
    }
    let reason = reason.unwrap_or_else(|| "unknown reason".to_owned());
    if error.is_timeout() {
        HttpFailure::Timeout
    } else if error.is_connect() {
        HttpFailure::Connect(reason)
    } else {
        HttpFailure::Broken(reason)
    }
}

impl Service<RequestPacket> for Http {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let asked = self.clone().ask(packet);
        Box::pin(async move { asked.await.map_err(TransportErrorKind::custom) })
    }
}
