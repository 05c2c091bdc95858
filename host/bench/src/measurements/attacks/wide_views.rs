//! Events with very many documents, and domains with very many projections.

use super::attack::Attack;
use super::clients::Clients;
use super::compilers::upload;
use super::site::JSON_TYPE;

/// Clients that send events of 50,000 keys.
const SENDERS: usize = 4;
/// A tenant may have four uploads at a time.
const UPLOADS: usize = 4;

pub(super) fn keys() -> Attack {
    Attack::new("view-keys", "events for each of which a projection names 50,000 keys, by four clients", |site| {
        site.deploy("good")?;
        let tenant = site.tenants[0].clone();
        Ok(Box::new(move |clients: &mut Clients| {
            clients.repeat(SENDERS, None, move |http, base, _| {
                let (name, kind) = JSON_TYPE;
                http.post(format!("{base}/v1/{tenant}/rogue/thing/route-wide/do")).header(name, kind).body("{}")
            });
        }))
    })
}

pub(super) fn projections() -> Attack {
    let about = "four uploads at a time of components that describe 50,000 projections";
    Attack::new("projections", about, |site| Ok(upload(site, site.rogue("many-projections"), UPLOADS)))
}
