//! Reads of large states and documents, and queries that search much and find nothing.

use super::attack::{Attack, Begin};
use super::clients::Clients;
use super::site::Site;

/// The guest's state has 15 MB.
const WIDE_STATE: &str = "inspect-wide";
const STATES: usize = 100;
const PAGES: usize = 4;
const FILTERS: usize = 400;
/// Documents of 15 MB each.
const DOCUMENTS: usize = 40;

pub(super) fn states() -> Attack {
    Attack::new("states", "100 `GET` of states of 15 MB at a time", |site| {
        site.deploy("good")?;
        site.send(WIDE_STATE, "do")?;
        let tenant = site.tenants[0].clone();
        Ok(Box::new(move |clients: &mut Clients| {
            clients.repeat(STATES, None, move |http, base, _| {
                http.get(format!("{base}/v1/{tenant}/rogue/thing/{WIDE_STATE}"))
            });
        }))
    })
}

pub(super) fn pages() -> Attack {
    Attack::new("pages", "four pages of 40 documents of 15 MB at a time", |site| {
        let view = with_vast_documents(site)?;
        Ok(Box::new(move |clients: &mut Clients| {
            clients.repeat(PAGES, None, move |http, base, _| http.get(format!("{base}{view}?limit={DOCUMENTS}")));
        }))
    })
}

pub(super) fn filters() -> Attack {
    Attack::new("filters", "400 filters at a time that match none of 40 documents of 15 MB", |site| {
        let view = with_vast_documents(site)?;
        Ok(Box::new(move |clients: &mut Clients| {
            clients.repeat(FILTERS, None, move |http, base, number| {
                http.get(format!("{base}{view}?where=seen:{}", 1_000 + number))
            });
        }) as Begin)
    })
}

/// Makes the documents. Returns the path of their view.
fn with_vast_documents(site: &mut Site<'_>) -> anyhow::Result<String> {
    site.deploy("good")?;
    let mut position = 0;
    for number in 0..DOCUMENTS {
        position = site.send(&format!("vast-{number}"), "do")?;
    }
    let view = format!("/v1/{}/rogue/views/board", site.tenants[0]);
    site.wait_for_view(&format!("{view}?limit=1"), position)?;
    Ok(view)
}
