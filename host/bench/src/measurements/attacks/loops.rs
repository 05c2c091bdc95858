//! Guests that never return from one of their calls.

use super::attack::{Attack, Begin};
use super::clients::Clients;
use super::site::{JSON_TYPE, Site};

/// Commands of each hostile tenant that lead to loops.
const COMMANDS: usize = 300;
/// Clients of each hostile tenant that send them.
const SENDERS: usize = 10;
/// Reads in flight of each hostile tenant.
const READERS: usize = 300;

/// A call of the guest, and the ids of the aggregates for which it loops.
const CALLS: [(&str, &[&str]); 4] = [
    ("route", &["route-loops"]),
    ("apply", &["apply-loops"]),
    ("open", &["open-loops"]),
    // The `save` of documents, and that of states.
    ("save", &["document-loops", "save-loops"]),
];

pub(super) fn all() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (call, ids) in CALLS {
        let prepare = move |site: &mut Site<'_>, mode: &str| {
            site.deploy(mode)?;
            Ok(commands(site.tenants.clone(), ids))
        };
        attacks.extend(both(call, "commands", prepare));
    }
    attacks.extend(both("inspect", "reads in flight", |site, mode| {
        site.deploy(mode)?;
        for tenant in 0..site.tenants.len() {
            site.send_as(tenant, "inspect-loops", "do")?;
        }
        Ok(reads(site.tenants.clone()))
    }));
    attacks
}

/// The attack by one tenant with fifty projections, and by two tenants.
fn both(
    call: &str,
    requests: &str,
    prepare: impl Fn(&mut Site<'_>, &str) -> anyhow::Result<Begin> + Clone + 'static,
) -> [Attack; 2] {
    let other = prepare.clone();
    [
        Attack::new(
            format!("{call}-of-50-projections"),
            format!("a looping `{call}` of one tenant with 50 projections"),
            move |site| prepare(site, "crowd"),
        ),
        Attack::new(
            format!("{call}-of-2-tenants"),
            format!("a looping `{call}` of two tenants with 300 {requests} each"),
            move |site| other(site, "good"),
        )
        .of_tenants(2),
    ]
}

fn commands(tenants: Vec<String>, ids: &'static [&'static str]) -> Begin {
    Box::new(move |clients: &mut Clients| {
        let senders = SENDERS * tenants.len();
        clients.repeat(senders, Some(COMMANDS / SENDERS), move |http, base, number| {
            let (tenant, id) = (&tenants[number % tenants.len()], ids[number / tenants.len() % ids.len()]);
            let (name, kind) = JSON_TYPE;
            http.post(format!("{base}/v1/{tenant}/rogue/thing/{id}/do")).header(name, kind).body("{}")
        });
    })
}

fn reads(tenants: Vec<String>) -> Begin {
    Box::new(move |clients: &mut Clients| {
        clients.repeat(READERS * tenants.len(), None, move |http, base, number| {
            http.get(format!("{base}/v1/{}/rogue/thing/inspect-loops", tenants[number % tenants.len()]))
        });
    })
}
