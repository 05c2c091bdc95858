//! How long a caller's right lasts: what is under way for hours ends with it.

use std::sync::Arc;
use std::time::Duration;

use polder_access::CLOCK_SKEW_S_MAX;

use super::Caller;
use super::gate::now_s;
use crate::app::App;

/// The clock is looked at this often at least: it can be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Resolves once the caller's key is revoked, the token has expired, or a host that asked nobody has got its first key.
pub(crate) async fn ended(app: Arc<App>, caller: Caller) {
    let mut changed = app.keys_changed.subscribe();
    loop {
        let wait = match &caller {
            Caller::Anyone if app.verifier.is_open() => None,
            Caller::Known(token) if app.verifier.has_key_of(token) => {
                let left_s = token.expires_at_s.saturating_add(CLOCK_SKEW_S_MAX).saturating_sub(now_s());
                if left_s == 0 {
                    return;
                }
                Some(Duration::from_secs(left_s).min(LOOK_EVERY))
            }
            _ => return,
        };
        let look = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as the app.
            _ = changed.changed() => {}
            () = look => {}
        }
    }
}
