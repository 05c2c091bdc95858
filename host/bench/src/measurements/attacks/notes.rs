//! Guests that write notes to the log as fast as they can.

use super::attack::Attack;
use super::clients::Clients;
use super::site::JSON_TYPE;

/// Together they may log more than all tenants may.
const TENANTS: usize = 6;

pub(super) fn flood() -> Attack {
    Attack::new("note-flood", "six tenants, each with one client whose commands write a megabyte of notes", |site| {
        site.deploy("good")?;
        let tenants = site.tenants.clone();
        Ok(Box::new(move |clients: &mut Clients| {
            clients.repeat(tenants.len(), None, move |http, base, number| {
                let (name, kind) = JSON_TYPE;
                let path = format!("{base}/v1/{}/rogue/thing/t-1/note-flood", tenants[number]);
                http.post(path).header(name, kind).body("{}")
            });
        }))
    })
    .of_tenants(TENANTS)
}
