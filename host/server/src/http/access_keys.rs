//! `/v1/keys`: the public keys of token issuers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use polder_access::{KnownKey, PublicKey};
use polder_core::{AggregateId, TenantName, subject};
use polder_engine::{AccessKey, Host, KeyError, SYSTEM_TENANT, joined};
use serde::Deserialize;

use crate::access::Caller;
use crate::access::first_key::{FIRST_KEY_FILE, FirstKeyProven};
use crate::app::App;
use crate::wire::body;
use crate::wire::http_status;
use crate::wire::paging::page;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::request_json::parse;
use crate::wire::response_json::json;

/// The longest body: a key and the JSON around it, in bytes.
const KEY_BODY_BYTES_MAX: u64 = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    public_key: PublicKey,
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query) -> Result<Response, Problem> {
    let mut keys = app.partitions.first_host().access_keys().list();
    keys.sort_unstable_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    page("keys", keys, &query, |key| key.id.to_string())
}

/// `POST`: `{"public_key": "…"}`. The private key stays with the caller.
pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    if app.authenticator.is_open() && parts.extensions.get::<FirstKeyProven>().is_none() {
        let detail = format!(
            "the first key is made in the data folder of a stopped host (polder token key new --data DIR), or with the \
             proof that a running host keeps there (--first-key-proof DIR/{FIRST_KEY_FILE})"
        );
        return Err(Problem::new(&http_status::FIRST_KEY, detail));
    }
    let actor = caller.actor(&parts.headers, subject::HOST)?;
    let sent = body::read(&app.memory, sent, KEY_BODY_BYTES_MAX, "key_body_bytes_max").await?;
    let NewKey { public_key } =
        parse(&sent, "the key", "{\"public_key\": \"…\"} with 64 hexadecimal digits would be right")?;
    let id = AggregateId::new(public_key.id().as_str())?;
    let host = app.partitions.first_host().clone();
    change(app, async move { host.access_keys().add(&id, &public_key.to_string(), actor.as_deref()).await }).await
}

/// `DELETE`: revokes a key. Tokens that it signed are refused from the next request on.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    request: Request,
) -> Result<Response, Problem> {
    let actor = caller.actor(request.headers(), subject::HOST)?;
    let (id, host) = (path.key_id()?, app.partitions.first_host().clone());
    change(app, async move { host.access_keys().revoke(&id, actor.as_deref()).await }).await
}

/// Records a change and applies it, in a task of its own: if the caller disconnects, a key must not be revoked in the
/// history and still be accepted.
async fn change(
    app: Arc<App>,
    recorded: impl Future<Output = Result<AccessKey, KeyError>> + Send + 'static,
) -> Result<Response, Problem> {
    joined(tokio::spawn(async move {
        let key = recorded.await?;
        app.authenticator
            .set_keys(|| known(app.partitions.first_host()))
            .map_err(|problem| Problem::internal(&http_status::STORAGE_FAILED, "the keys cannot be read", &problem))?;
        Ok(json(StatusCode::OK, &key))
    }))
    .await
}

/// Applies the keys that another host records, if several hosts share the journals.
pub(crate) async fn follow(app: Arc<App>) {
    let system = TenantName::new(SYSTEM_TENANT).expect("a good name");
    let Ok(mut recorded) = app.partitions.first_host().queries().positions(&system) else { return };
    while recorded.changed().await.is_ok() {
        if let Err(problem) = app.authenticator.set_keys(|| known(app.partitions.first_host())) {
            tracing::error!(problem, "cannot apply the keys that another host recorded");
        }
    }
}

/// The host's keys in the authenticator's form. Fails if this version cannot read a key in the history: without that
/// key the host might accept too much.
pub(crate) fn known(host: &Host) -> Result<Vec<KnownKey>, String> {
    let known = |key: AccessKey| match key.public_key.parse() {
        Ok(public_key) => Ok(KnownKey { public_key, is_revoked: key.revoked.is_some() }),
        Err(error) => Err(format!("key {} in the host's own history cannot be used: {error}", key.id)),
    };
    host.access_keys().list().into_iter().map(known).collect()
}
