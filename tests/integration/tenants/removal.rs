//! A removed tenant is gone for every caller, from the disk too, together with its name, even if the host ended in the
//! middle.

use std::path::{Path, PathBuf};
use std::{fs, io};

use polder_tests::guest_file;
use serde_json::{Value, json};

use super::{Town, assert_detail_contains};

const SECRET: &str = "this-must-stay-secret";

fn remove(town: &Town, tenant: &str) -> polder_tests::Answer {
    town.client.request("DELETE", &format!("/v1/tenants/{tenant}?confirm={tenant}")).header("actor", "ann").send()
}

/// The files below a folder that contain the secret. A running host replaces files meanwhile: a file that disappears
/// before it is read contains nothing.
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

    /// Makes an order with the secret in its events, its document and, after an orderly end of the host, its saved
    /// state.
    fn store_secret(&mut self, tenant: &str) {
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
        // Opened again: until then its files may be replaced.
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
    town.store_secret("acme");
    town.draft("brook", "o-1", "c").json(200);
    assert!(!found_in(&town.data("views")).is_empty(), "the secret is stored");
    remove(&town, "acme").json(200);
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        town.nothing_is_left_of("acme");
        assert_detail_contains(
            &town.client.put("/v1/tenants/acme", "").problem(409, "tenant-removed"),
            "never used again",
        );
        assert_eq!(town.client.get("/v1/brook/orders/order/o-1").json(200)["state"]["customer"], "c");
        assert_eq!(town.components(), 1, "brook still runs it");
    }
    let facts = town.facts("acme");
    assert_eq!(names(&facts), ["tenant-added", "tenant-removed", "tenant-erased"]);
    assert_eq!(facts[1]["actor"], "ann");
    remove(&town, "brook").json(200);
    assert_eq!(town.components(), 0, "no tenant runs it any more");
    let compiled = fs::read_dir(town.data("compiled")).unwrap();
    let names: Vec<_> = compiled.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["CACHEDIR.TAG"], "what keeps the folder out of copies stays");
}

#[test]
fn a_removal_wants_the_name_again() {
    let town = Town::with(&["acme"]);
    for query in ["", "?confirm=", "?confirm=brook", "?confirm=Acme"] {
        let answer = town.client.request("DELETE", &format!("/v1/tenants/acme{query}")).send();
        assert_detail_contains(&answer.problem(409, "unconfirmed"), "give its name again");
    }
    remove(&town, "brook").problem(404, "unknown-tenant");
    remove(&town, "system").problem(404, "unknown-tenant");
    town.draft("acme", "o-1", "c").json(200);
    remove(&town, "acme").json(200);
    remove(&town, "acme").problem(404, "unknown-tenant");
}

/// The obstacle is found in the middle: the fact is recorded and the first file is gone.
#[test]
fn a_removal_that_broke_off_is_finished_at_the_next_start() {
    let mut town = Town::with(&["acme"]);
    town.store_secret("acme");
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

/// An obstacle prevents one step and all later ones; then SIGKILL. At the next start the obstacle is gone.
#[test]
fn a_removal_killed_before_any_of_its_steps_is_finished_at_the_next_start() {
    for step in ["views", "components", "compiled", "tenant-keys"] {
        let mut town = Town::with(&["acme", "brook"]);
        // No other tenant runs it, so that it is removed.
        let permits = fs::read(guest_file("permits")).unwrap();
        town.client.put("/v1/acme/domains/permits", permits).json(200);
        town.draft("acme", "o-1", SECRET).json(200);
        town.client.get("/v1/acme/orders/views/order-summary?after=1&timeout_ms=60000").json(200);
        let folder = town.data(step);
        let own = |name: &str| name.starts_with("acme") || step.starts_with("comp");
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = entries.filter(|path| own(path.file_name().unwrap().to_str().unwrap())).collect();
        let aside = town.folder.path().join("aside");
        fs::create_dir(&aside).unwrap();
        // A folder with the file's name cannot be removed as a file.
        for file in &files {
            fs::rename(file, aside.join(file.file_name().unwrap())).unwrap();
            fs::create_dir(file).unwrap();
        }
        remove(&town, "acme").problem(500, "storage-failed");
        town.client.get("/v1/acme/events").problem(404, "unknown-tenant");
        town.host.take().expect("it runs").kill();
        for file in &files {
            fs::remove_dir(file).unwrap();
            fs::rename(aside.join(file.file_name().unwrap()), file).unwrap();
        }
        let host = polder_tests::Host::start(&town.data(""));
        town.client = host.client();
        town.host = Some(host);
        town.nothing_is_left_of("acme");
        assert_eq!(town.components(), 1, "{step}: what brook runs stays");
        assert_eq!(names(&town.facts("acme")), ["tenant-added", "tenant-removed", "tenant-erased"], "{step}");
        town.draft("brook", "o-1", "c").json(200);
    }
}

/// The key was removed, and the host ended before it recorded that. Nothing can be read any more, but the host must
/// still start.
#[test]
fn a_removal_killed_after_its_last_step_is_recorded_at_the_next_start() {
    let mut town = Town::with(&["acme"]);
    town.draft("acme", "o-1", SECRET).json(200);
    let key = town.data("tenant-keys/acme.key");
    fs::rename(&key, town.folder.path().join("aside")).unwrap();
    fs::create_dir(&key).unwrap();
    remove(&town, "acme").problem(500, "storage-failed");
    fs::remove_dir(&key).unwrap();
    town.reopen();
    town.nothing_is_left_of("acme");
    assert_eq!(names(&town.facts("acme")), ["tenant-added", "tenant-removed", "tenant-erased"]);
}

/// SIGKILL at any moment: the tenant is there with all its data, or gone with all its data.
#[test]
fn a_removal_killed_at_any_moment_is_done_or_not_begun() {
    const KILLS: u64 = 6;
    const DELAY_MICROSECONDS_MAX: u64 = 60_000;
    let seed = std::env::var("POLDER_SEED").map_or(1, |seed| seed.parse().expect("POLDER_SEED is a number"));
    println!("POLDER_SEED={seed}");
    let mut random = polder_tests::Random::seeded(seed);
    let tenants: Vec<String> = (0..KILLS).map(|number| format!("acme-{number}")).collect();
    let mut town = Town::with(&tenants.iter().map(String::as_str).collect::<Vec<_>>());
    for tenant in &tenants {
        town.draft(tenant, "o-1", "c").json(200);
        let client = town.host().client();
        let delay = std::time::Duration::from_micros(random.below(DELAY_MICROSECONDS_MAX));
        std::thread::scope(|scope| {
            let path = format!("/v1/tenants/{tenant}?confirm={tenant}");
            let removing = scope.spawn(move || client.request("DELETE", &path).try_send().map(|answer| answer.status));
            std::thread::sleep(delay);
            town.reopen();
            let facts = town.facts(tenant);
            let answered = removing.join().unwrap().ok();
            if facts.len() == 1 {
                assert_eq!((names(&facts), answered), (vec!["tenant-added"], None), "after {delay:?}");
                assert_eq!(town.line(tenant, "o-1").json(200)["sequence"], 2);
            } else {
                assert_eq!(names(&facts), ["tenant-added", "tenant-removed", "tenant-erased"], "after {delay:?}");
                assert!(answered.is_none_or(|status| status == 200), "{answered:?}");
                town.client.get(&format!("/v1/{tenant}/events")).problem(404, "unknown-tenant");
                assert!(!town.data(&format!("tenant-keys/{tenant}.key")).exists());
                assert!(!town.data(&format!("views/{tenant}.sqlite")).exists());
            }
        });
    }
}

/// Whichever comes first: the tenant is gone, and nothing of the deployment is left.
#[test]
fn a_deployment_that_races_a_removal_leaves_nothing() {
    const ROUNDS: u64 = 8;
    const DELAY_MICROSECONDS_MAX: u64 = 40_000;
    let mut town = Town::with(&["acme"]);
    let (mut random, component) = (polder_tests::Random::seeded(1), fs::read(guest_file("permits")).unwrap());
    let mut statuses = std::collections::BTreeSet::new();
    for round in 0..ROUNDS {
        let tenant = format!("brook-{round}");
        town.client.put(&format!("/v1/tenants/{tenant}"), "").json(201);
        let delay = std::time::Duration::from_micros(random.below(DELAY_MICROSECONDS_MAX));
        std::thread::scope(|scope| {
            let (client, path, component) =
                (town.host().client(), format!("/v1/{tenant}/domains/permits"), component.clone());
            let deploying = scope.spawn(move || client.put(&path, component));
            std::thread::sleep(delay);
            remove(&town, &tenant).json(200);
            let deployed = deploying.join().unwrap();
            match deployed.status {
                200 => {}
                404 => drop(deployed.problem(404, "unknown-tenant")),
                // Its views were about to be opened when the tenant was removed.
                500 => drop(deployed.problem(500, "storage-failed")),
                other => panic!("{other}: {}", deployed.text()),
            }
            statuses.insert(deployed.status);
        });
        let left = |town: &Town| {
            assert_eq!(town.components(), 1, "round {round}: acme's alone");
            assert!(!town.data(&format!("views/{tenant}.sqlite")).exists(), "round {round}");
            town.client.get(&format!("/v1/{tenant}/domains")).problem(404, "unknown-tenant");
        };
        left(&town);
        if round == ROUNDS - 1 {
            town.reopen();
            left(&town);
        }
    }
    println!("deployments ended with {statuses:?}");
    town.draft("acme", "o-1", "c").json(200);
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
    let ran = town.host().polder(&export);
    assert_eq!(ran.good(), format!("{}: 300 events, 4 facts, 1 component", folder.display()));

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
