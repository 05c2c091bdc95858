//! Changes a host's public keys: in its data folder while it is stopped, or through the host while it runs. Either way
//! the change is a fact in the host's own history.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_access::{KeyFolder, KeyId, PublicKey};
use polder_core::AggregateId;
use polder_engine::Host;
use reqwest::Method;
use serde_json::Value;

use crate::arguments::target::Connection;
use crate::client::{Client, block_on};
use crate::data_folder;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct KeyRegistry {
    /// The data folder of a host that is stopped. Without it, the request goes to a running host.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// For the first key of a running host: the file first-key-proof in its data folder.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    first_key_proof: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

impl KeyRegistry {
    /// The folder of the private keys that are kept beside the data.
    pub(crate) fn key_folder(&self) -> Option<KeyFolder> {
        self.data.as_deref().map(KeyFolder::of_data)
    }

    pub(crate) fn add(&self, key: &PublicKey, actor: Option<&str>) -> Result<Value, Failure> {
        let id = aggregate_id(&key.id())?;
        let body = serde_json::json!({ "public_key": key });
        let proof = match &self.first_key_proof {
            Some(file) => Some(std::fs::read_to_string(file).with_context(|| {
                format!("cannot read the proof from {}: does a host without keys run there?", file.display())
            })?),
            None => None,
        };
        self.change(
            async |host| Ok(host.access_keys().add(&id, &key.to_string(), actor).await?),
            async |client| {
                let mut request = client.request(Method::POST, &[]).json(&body);
                if let Some(proof) = &proof {
                    request = request.header("first-key-proof", proof.trim());
                }
                client.read(by(request, actor)).await
            },
        )
    }

    pub(crate) fn revoke(&self, id: &KeyId, actor: Option<&str>) -> Result<Value, Failure> {
        let key = aggregate_id(id)?;
        self.change(
            async |host| Ok(host.access_keys().revoke(&key, actor).await?),
            async |client| client.read(by(client.request(Method::DELETE, &[id.as_str()]), actor)).await,
        )
    }

    pub(crate) fn list(&self) -> Result<Value, Failure> {
        self.change(
            async |host| Ok(serde_json::json!({ "keys": host.access_keys().list() })),
            async |client| client.read_list(&[], "keys").await,
        )
    }

    fn change<T: serde::Serialize>(
        &self,
        in_folder: impl AsyncFnOnce(&Host) -> anyhow::Result<T>,
        at_host: impl AsyncFnOnce(&Client) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let Some(data) = &self.data else {
            let client = Client::for_keys(&self.connection)?;
            return block_on(at_host(&client));
        };
        data_folder::check_own(data)?;
        block_on(async {
            let host = Host::open(data_folder::host_options(data)).with_context(|| {
                format!("cannot open {}; for a running host give --host instead of --data", data.display())
            })?;
            let done = in_folder(&host).await;
            host.shutdown().await;
            Ok(serde_json::to_value(done?)?)
        })
    }
}

fn by(request: reqwest::RequestBuilder, actor: Option<&str>) -> reqwest::RequestBuilder {
    match actor {
        Some(actor) => request.header("actor", actor),
        None => request,
    }
}

fn aggregate_id(key: &KeyId) -> Result<AggregateId, Failure> {
    Ok(AggregateId::new(key.as_str())?)
}
