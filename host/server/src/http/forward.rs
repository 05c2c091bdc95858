//! Forwards a request to the host that owns the tenant's journal, if that is another host. Runs before every route that
//! changes something, except the routes that act on the receiving host. Queries are answered here.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::access::RoutePermission;
use crate::app::App;
use crate::cluster::{FORWARDED_BYTES_MAX, ForwardWaits, Forwarded, OWNER_CHECK_PAUSE, OWNER_WAIT_MAX};
use crate::cluster::{no_owner, not_ready};
use crate::wire::body;
use crate::wire::path::PathParameters;
use crate::wire::problem::{ForOwner, Problem};

pub(super) async fn forward(
    State((app, permission, waits)): State<(Arc<App>, RoutePermission, ForwardWaits)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.partitions.cluster().is_none() || request.extensions().get::<Forwarded>().is_some() {
        return Ok(next.run(request).await);
    }
    let (mut parts, sent) = request.into_parts();
    let path = PathParameters::from_request_parts(&mut parts, &()).await;
    let tenant = match &path {
        Ok(path) => path.tenant_if_any(),
        // A path that is not valid is refused here as well, after authentication.
        Err(_) => return Ok(next.run(Request::from_parts(parts, sent)).await),
    };
    let partition = match tenant {
        Ok(Some(tenant)) => app.partitions.of(&tenant),
        Ok(None) => app.partitions.first(),
        // A tenant name that is not valid is refused here as well, after authentication.
        Err(_) => return Ok(next.run(Request::from_parts(parts, sent)).await),
    };
    let Some(shared) = &partition.shared else {
        return Ok(next.run(Request::from_parts(parts, sent)).await);
    };
    // Checks the permission before a byte is read or stored for the owner, which checks it again.
    app.authenticator.caller(&parts.headers)?.check(&permission(&path?)?)?;
    let sent = body::read(&app.memory, sent, FORWARDED_BYTES_MAX, "forwarded_bytes_max").await?;
    let start = Instant::now();
    loop {
        if partition.host.is_leading() {
            let request = Request::from_parts(parts.clone(), Body::from(sent.clone()));
            let answer = next.clone().run(request).await;
            if answer.extensions().get::<ForOwner>().is_none() {
                return Ok(answer);
            }
        }
        if let Some(problem) = shared.servers().problem() {
            return Err(not_ready(&problem));
        }
        match shared.ask_other_owner(&parts, &sent, waits).await? {
            Ok(answer) => return Ok(answer),
            Err(reason) if start.elapsed() > OWNER_WAIT_MAX => return Err(no_owner(&reason)),
            Err(_) => tokio::time::sleep(OWNER_CHECK_PAUSE).await,
        }
    }
}
