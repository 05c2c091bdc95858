//! A tenant that is removed is gone for everyone, from the disk too, and its name with it; also when the host ended in the middle.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Value, json};

use super::{Town, says};

const SECRET: &str = "nobody-may-read-this";

fn remove(town: &Town, tenant: &str) -> polder_tests::Answer {
    town.client.request("DELETE", &format!("/v1/tenants/{tenant}?confirm={tenant}")).header("actor", "ann").send()
}

/// The files below a folder that hold the secret. A host that runs renews files meanwhile: one that is gone when it is read holds nothing.
fn found_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in present(fs::read_dir(folder)).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path));
        } else if present(fs::read(&path))
            .is_some_and(|bytes| bytes.windows(SECRET.len()).any(|text| text == SECRET.as_bytes()))
        {
            found.push(path);
        }
    }
    found
}

fn present<T>(read: io::Result<T>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

impl Town {
    fn data(&self, below: &str) -> PathBuf {
        self.folder.path().join("data").join(below)
    }

    /// An order that tells the secret in its events, its document and, once the host has ended in order, its saved state.
    fn tell(&mut self, tenant: &str) {
        self.draft(tenant, "o-1", SECRET).json(200);
        for _ in 0..60 {
            self.line(tenant, "o-1").json(200);
            let path = format!("/v1/{tenant}/orders/order/o-1/remove-line");
            self.client.post(&path, json!({ "sku": "TEA" }).to_string()).json(200);
        }
        let view = format!("/v1/{tenant}/orders/views/order-summary?after=121&timeout_ms=60000");
        self.client.get(&view).json(200);
        self.host.take().expect("it runs").stop();
        let host = polder_tests::Host::start(&self.data(""));
        self.client = host.client();
        self.host = Some(host);
        // Opened again: until then its files may be on the move.
        self.client.get(&view).json(200);
    }

    #[track_caller]
    fn nothing_is_left_of(&self, tenant: &str) {
        assert!(!self.data(&format!("views/{tenant}.sqlite")).exists());
        assert_eq!(found_in(&self.data("")), Vec::<PathBuf>::new());
        self.client.get(&format!("/v1/{tenant}/events")).problem(404, "unknown-tenant");
        self.client.get(&format!("/v1/tenants/{tenant}")).problem(404, "unknown-tenant");
        self.draft(tenant, "o-2", "c").problem(404, "unknown-tenant");
    }

    fn components(&self) -> usize {
        fs::read_dir(self.data("components")).unwrap().count()
    }
}

fn names(facts: &[Value]) -> Vec<&str> {
    facts.iter().filter_map(|fact| fact["name"].as_str()).filter(|name| name.starts_with("tenant")).collect()
}

#[test]
fn nothing_is_left_of_a_tenant_but_what_was_decided() {
    let mut town = Town::with(&["acme", "brook"]);
    town.tell("acme");
    town.draft("brook", "o-1", "c").json(200);
    assert!(!found_in(&town.data("views")).is_empty(), "it is told");
    remove(&town, "acme").json(200);
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        town.nothing_is_left_of("acme");
        says(&town.client.put("/v1/tenants/acme", "").problem(409, "tenant-removed"), "never used again");
        assert_eq!(town.client.get("/v1/brook/orders/order/o-1").json(200)["state"]["customer"], "c");
        assert_eq!(town.components(), 1, "brook still runs it");
    }
    let facts = town.facts("acme");
    assert_eq!(names(&facts), ["tenant-added", "tenant-removed", "tenant-erased"]);
    assert_eq!(facts[1]["actor"], "ann");
    remove(&town, "brook").json(200);
    assert_eq!(town.components(), 0, "nobody runs it any more");
    assert_eq!(fs::read_dir(town.data("compiled")).unwrap().count(), 0);
}

#[test]
fn a_removal_wants_the_name_again() {
    let town = Town::with(&["acme"]);
    for query in ["", "?confirm=", "?confirm=brook", "?confirm=Acme"] {
        let answer = town.client.request("DELETE", &format!("/v1/tenants/acme{query}")).send();
        says(&answer.problem(409, "unconfirmed"), "give its name again");
    }
    remove(&town, "brook").problem(404, "unknown-tenant");
    remove(&town, "system").problem(404, "unknown-tenant");
    town.draft("acme", "o-1", "c").json(200);
    remove(&town, "acme").json(200);
    remove(&town, "acme").problem(404, "unknown-tenant");
}

/// What stands in the way is found in the middle: the fact is recorded and the first file is gone.
#[test]
fn a_removal_that_broke_off_is_finished_at_the_next_start() {
    let mut town = Town::with(&["acme"]);
    town.tell("acme");
    let in_the_way = town.data("views/acme.sqlite-journal");
    fs::create_dir(&in_the_way).unwrap();
    remove(&town, "acme").problem(500, "storage-failed");
    town.client.get("/v1/acme/events").problem(404, "unknown-tenant");
    town.reopen();
    assert_eq!(names(&town.facts("acme")), ["tenant-added", "tenant-removed"], "it is still in the way");
    assert_eq!(town.components(), 1);
    fs::remove_dir(&in_the_way).unwrap();
    town.reopen();
    town.nothing_is_left_of("acme");
    assert_eq!(town.components(), 0);
    assert_eq!(names(&town.facts("acme")), ["tenant-added", "tenant-removed", "tenant-erased"]);
}

#[test]
fn an_export_holds_everything_in_files() {
    let town = Town::with(&["acme", "brook"]);
    for number in 0..300 {
        town.draft("acme", &format!("o-{number}"), "c").json(200);
    }
    town.draft("brook", "o-1", SECRET).json(200);
    town.limit("acme", "warm_states_max", Some(7)).json(200);
    let folder = town.folder.path().join("acme-export");
    let export = ["tenant", "export", "acme", "--to", folder.to_str().unwrap()];
    let told = town.host().polder(&export);
    assert_eq!(told.good(), format!("{}: 300 events, 4 facts, 1 components", folder.display()));

    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("events.ndjson"), town.client.get("/v1/acme/events").text());
    let facts: Vec<Value> = read("facts.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = facts.iter().map(|fact| fact["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tenant-added", "revision-uploaded", "revision-activated", "tenant-limits-changed"]);
    let revision = facts[1]["payload"]["revision"].as_str().unwrap();
    let component = fs::read(folder.join(format!("components/{revision}.wasm"))).unwrap();
    assert_eq!(component, fs::read(polder_tests::guest_file("orders")).unwrap());
    let tenant: Value = serde_json::from_str(&read("tenant.json")).unwrap();
    assert_eq!((&tenant["tenant"], &tenant["position"]), (&json!("acme"), &json!(300)));
    assert_eq!(found_in(&folder), Vec::<PathBuf>::new(), "what is brook's stays there");
    assert!(town.host().polder(&export).refused().contains("is there already"));

    let anothers = format!("/v1/tenants/main/components/{revision}");
    town.client.get(&anothers).problem(404, "unknown-revision");
    town.client.get("/v1/tenants/acme/components/12").problem(400, "bad-name");
}

#[test]
fn the_command_asks_for_the_name_again() {
    let town = Town::with(&["acme"]);
    let remove = ["tenant", "remove", "acme", "--host", town.host().address()];
    for (typed, wanted) in [("", "the name was not given again"), ("brook\n", "\"brook\" is not \"acme\"")] {
        let ran = polder_tests::polder_with_input(&remove, typed.as_bytes());
        assert!(ran.refused().contains(wanted), "{ran}");
    }
    let ran = polder_tests::polder_with_input(&remove, b"acme\n");
    assert_eq!((ran.code, ran.stdout.trim_end()), (0, "acme is gone, with all it had"), "{ran}");
    town.client.put("/v1/tenants/brook", "").json(201);
    let confirmed = town.host().polder(&["tenant", "remove", "brook", "--confirm", "brook"]);
    assert_eq!(confirmed.good(), "brook is gone, with all it had");
}
