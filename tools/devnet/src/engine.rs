//! The engine API (V3, Cancun): what a consensus client asks of an execution client.
//!
//! Sources: `src/engine/{common,paris,shanghai,cancun,authentication}.md` of ethereum/execution-apis.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::consensus::{Block, TxEnvelope};
use alloy::primitives::B256;
use alloy::rlp::Decodable;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::rpc::types::engine::{
    ExecutionPayloadEnvelopeV3, ExecutionPayloadV3, ForkchoiceState, ForkchoiceUpdated, PayloadAttributes, PayloadId,
    PayloadStatus, PayloadStatusEnum,
};
use alloy::transports::http::reqwest::header::{AUTHORIZATION, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{DevnetError, Rpc};

/// A node's engine API.
#[derive(Debug, Clone)]
pub struct Engine {
    rpc: Rpc,
    secret: [u8; 32],
}

impl Engine {
    /// The interface at `rpc`, whose callers know `secret`.
    pub(crate) fn new(rpc: Rpc, secret: [u8; 32]) -> Self {
        Self { rpc, secret }
    }

    /// Makes a known block the head, and says what is safe and finalized (zero: nothing). With attributes, the node
    /// also begins to build a block on the head.
    ///
    /// A node does not go back to an ancestor of its head: geth answers as if it had, and builds nothing.
    ///
    /// # Errors
    ///
    /// If the node does not know the block or refuses it, or does not build.
    pub async fn forkchoice(
        &self,
        state: ForkchoiceState,
        attributes: Option<PayloadAttributes>,
    ) -> Result<Option<PayloadId>, DevnetError> {
        let wanted = attributes.is_some();
        let answer: ForkchoiceUpdated = self.call("engine_forkchoiceUpdatedV3", (state, attributes)).await?;
        let refused = |why| DevnetError::Refused { block: state.head_block_hash, why };
        match answer.payload_status.status {
            PayloadStatusEnum::Valid if wanted && answer.payload_id.is_none() => {
                Err(refused("it is an ancestor of the head, on which the node does not build".into()))
            }
            PayloadStatusEnum::Valid => Ok(answer.payload_id),
            status => Err(refused(format!("as a head it is {status}"))),
        }
    }

    /// Takes the block that is built, as it is now. The node then goes on building no more.
    ///
    /// # Errors
    ///
    /// If there is none of this id, or the node cannot be reached.
    pub async fn payload(&self, id: PayloadId) -> Result<ExecutionPayloadV3, DevnetError> {
        let envelope: ExecutionPayloadEnvelopeV3 = self.call("engine_getPayloadV3", (id,)).await?;
        Ok(envelope.execution_payload)
    }

    /// Gives the node a block to check and keep. It does not become the head.
    ///
    /// # Errors
    ///
    /// If the node does not take it for valid, which is also so if it does not know its parent.
    pub async fn new_payload(
        &self,
        payload: &ExecutionPayloadV3,
        versioned_hashes: &[B256],
        parent_beacon_block_root: B256,
    ) -> Result<(), DevnetError> {
        let status: PayloadStatus =
            self.call("engine_newPayloadV3", (payload, versioned_hashes, parent_beacon_block_root)).await?;
        let v1 = &payload.payload_inner.payload_inner;
        match status.status {
            PayloadStatusEnum::Valid => Ok(()),
            status => Err(DevnetError::Refused {
                block: v1.block_hash,
                why: match status {
                    PayloadStatusEnum::Syncing | PayloadStatusEnum::Accepted => "its parent is not known".into(),
                    status => status.to_string(),
                },
            }),
        }
    }

    /// Gives the node a block in RLP, as `debug_getRawBlock` answers it, to check and keep. Returns its hash; see
    /// [`Engine::new_payload`].
    ///
    /// # Errors
    ///
    /// If it is not a block of Cancun, or the node does not take it.
    pub async fn import(&self, raw: &[u8]) -> Result<B256, DevnetError> {
        let (hash, block) = decode(raw)?;
        let payload = ExecutionPayloadV3::from_block_unchecked(hash, &block);
        let hashes: Vec<B256> = block.body.blob_versioned_hashes_iter().copied().collect();
        let root = block.header.parent_beacon_block_root.unwrap_or_default();
        self.new_payload(&payload, &hashes, root).await?;
        Ok(hash)
    }

    async fn call<T: RpcRecv>(&self, method: &'static str, params: impl RpcSend) -> Result<T, DevnetError> {
        let token = self.token();
        let call = self.rpc.client().request(method, params).map_meta(|mut meta| {
            meta.headers_mut().insert(AUTHORIZATION, token);
            meta
        });
        call.await.map_err(|source| self.rpc.error(method, source))
    }

    /// A JWT of HS256 with the time of issue as its only claim; the node takes it for a minute.
    fn token(&self) -> HeaderValue {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&format!(r#"{{"iat":{now}}}"#)));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(message.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        let mut value =
            HeaderValue::from_str(&format!("Bearer {message}.{signature}")).expect("base64 and dots are ASCII");
        value.set_sensitive(true);
        value
    }
}

/// A block and its hash.
pub(crate) fn decode(raw: &[u8]) -> Result<(B256, Block<TxEnvelope>), DevnetError> {
    let block = Block::<TxEnvelope>::decode(&mut &raw[..])
        .map_err(|error| DevnetError::NoBlock { length: raw.len(), why: error.to_string() })?;
    Ok((block.header.hash_slow(), block))
}
