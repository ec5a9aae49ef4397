//! Calls of a node's methods, with errors that name method and node.

use alloy::providers::RootProvider;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::transports::http::Http;
use alloy::transports::http::reqwest::{self, Client};

use crate::DevnetError;

/// A node's JSON-RPC interface.
#[derive(Debug, Clone)]
pub struct Rpc {
    url: String,
    client: RpcClient,
}

impl Rpc {
    /// Of the node on this port of the loopback interface.
    pub(crate) fn local(port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}");
        let mut parsed = reqwest::Url::parse("http://127.0.0.1").expect("a constant URL");
        parsed.set_port(Some(port)).expect("http has ports");
        Self { client: RpcClient::new(Http::with_client(client(), parsed), true), url }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// For calls that alloy has types for.
    pub fn provider(&self) -> RootProvider {
        RootProvider::new(self.client.clone())
    }

    /// For calls with headers and the like.
    pub(crate) fn client(&self) -> &RpcClient {
        &self.client
    }

    /// Calls a method.
    ///
    /// # Errors
    ///
    /// If the node cannot be reached, answers with an error, or with something else than a `T`.
    pub async fn call<T: RpcRecv>(&self, method: &'static str, params: impl RpcSend) -> Result<T, DevnetError> {
        self.client.request(method, params).await.map_err(|source| self.error(method, source))
    }

    /// For `map_err`.
    pub(crate) fn error(&self, method: &str, source: alloy::transports::TransportError) -> DevnetError {
        DevnetError::Call { method: method.into(), url: self.url.clone(), source }
    }
}

/// An HTTP client. What else is linked into the program may have switched on TLS, which then wants a provider, also for
/// plain HTTP.
fn client() -> Client {
    // Fails if there is one already, which is as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::new()
}
