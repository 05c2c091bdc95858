//! Uploads of components that take long to compile.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use bytes::Bytes;
use polder_test_components::{bomb, bomb_with_long_code};

use crate::components::another_revision;

use super::attack::{Attack, Begin};
use super::clients::Clients;
use super::site::{Site, WASM_TYPE};

const UPLOADS: usize = 24;
/// A tenant may have four uploads at a time.
const TENANTS: usize = UPLOADS / 4;
/// Two jumps for each block, times all local variables: a little less than the 40,000,000 values that a component may
/// pass between blocks (`PASSED_VALUES_MAX`). The host refuses more before it compiles.
const FUNCTIONS: usize = 160;
const BLOCKS: usize = 200;
const LOCALS: usize = 600;
const MIB: usize = 1024 * 1024;

pub(super) fn many_bombs() -> Attack {
    let about = "24 uploads at a time, by six tenants, of compile bombs of 500 KB";
    Attack::new("compile-bombs", about, |site| {
        let component = site.with_parasite(&bomb(FUNCTIONS, BLOCKS, LOCALS));
        within(&component, 400_000, 600_000)?;
        Ok(upload(site, component, UPLOADS))
    })
    .of_tenants(TENANTS)
}

pub(super) fn one_bomb() -> Attack {
    Attack::new("large-compile-bomb", "one upload at a time of a compile bomb of 8 MB", |site| {
        let component = site.with_parasite(&bomb_with_long_code((FUNCTIONS, BLOCKS, LOCALS), 31, 20_000));
        within(&component, 7 * MIB, 8 * MIB - 100)?;
        Ok(upload(site, component, 1))
    })
}

fn within(component: &[u8], least: usize, most: usize) -> anyhow::Result<()> {
    let length = component.len();
    ensure!((least..=most).contains(&length), "a bomb of {length} bytes is not one of {least} to {most}");
    Ok(())
}

/// Clients that upload a component again and again. Every upload has another digest, so that none is compiled already.
pub(super) fn upload(site: &Site<'_>, component: Vec<u8>, clients_count: usize) -> Begin {
    let (tenants, next) = (site.tenants.clone(), AtomicUsize::new(0));
    Box::new(move |clients: &mut Clients| {
        clients.repeat(clients_count, None, move |http, base, number| {
            let body = Bytes::from(another_revision(&component, next.fetch_add(1, Ordering::Relaxed)));
            let (name, kind) = WASM_TYPE;
            let tenant = &tenants[number % tenants.len()];
            http.put(format!("{base}/v1/{tenant}/domains/rogue")).header(name, kind).body(body)
        });
    })
}
