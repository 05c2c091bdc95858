//! `polder serve --watch`, with a crate that cargo really builds: saved code goes live, and a failed build is reported.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use polder_tests::{Client, Host, polder_file};
use serde_json::{Value, json};

/// The longest wait for a build: the first one builds all dependencies of the crate.
const BUILD_WAIT_MAX: Duration = Duration::from_secs(580);
/// The pause between two checks.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

fn wait_for<T>(host: &Host, what: &str, look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < BUILD_WAIT_MAX, "{what}:\n{}", host.log());
        std::thread::sleep(LOOK_PAUSE);
    }
}

fn revision(client: &Client) -> Option<String> {
    let answer = client.get("/v1/main/domains/watch-post");
    let found = (answer.status == 200).then(|| answer.json(200));
    found.map(|domain| domain["revision"].as_str().unwrap().to_owned())
}

fn closing(client: &Client) -> Value {
    client.post("/v1/main/watch-post/ticket/t-1/close-ticket", "").json(422)["reason"]["message"].clone()
}

#[test]
fn saved_code_is_built_and_live_and_a_failed_build_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(polder_file()).args(["new", "watch-post"]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let post = folder.path().join("watch-post");
    // Kept between runs, so that the dependencies of the crate are built once.
    let target = polder_file().ancestors().nth(2).unwrap().join("book");
    fs::create_dir(post.join(".cargo")).unwrap();
    fs::write(post.join(".cargo/config.toml"), format!("[build]\ntarget-dir = {:?}\n", target)).unwrap();
    let rules = post.join("src/ticket.rs");
    let first_rules = fs::read_to_string(&rules).unwrap();
    let save = |from: &str, to: &str| {
        assert!(first_rules.contains(from));
        fs::write(&rules, first_rules.replace(from, to)).unwrap();
    };

    let host = Host::start_with(&folder.path().join("data"), &["--watch", as_text(&post)]);
    let client = host.client();
    let first = wait_for(&host, "it is not built", || revision(&client));
    client.post("/v1/main/watch-post/ticket/t-1/open-ticket", r#"{"title":"The door squeaks"}"#).json(200);
    assert_eq!(closing(&client), "it was never assigned: assign it first");

    save("assign it first", "give it to someone first");
    let second = wait_for(&host, "it is not live", || revision(&client).filter(|revision| *revision != first));
    assert_eq!(closing(&client), "it was never assigned: give it to someone first");
    let said = format!("watch-post is at revision {}", &second[..12]);
    wait_for(&host, "it is not reported", || host.log().contains(&said).then_some(()));

    save("assign it first", "\" and then");
    wait_for(&host, "it is not reported", || host.log().contains("error: watch-post does not build").then_some(()));
    assert_eq!(
        (revision(&client), closing(&client)),
        (Some(second.clone()), "it was never assigned: give it to someone first".into())
    );

    save("assign it first", "assign it first, please");
    wait_for(&host, "it is not live again", || revision(&client).filter(|revision| *revision != second));
    assert_eq!(closing(&client), "it was never assigned: assign it first, please");
    // The history records the actor, and earlier events are unchanged.
    let revisions = client.get("/v1/main/domains/watch-post/revisions").json(200)["revisions"].clone();
    let actors: Vec<&Value> = revisions.as_array().unwrap().iter().map(|info| &info["actor"]).collect();
    assert_eq!(actors, ["watch", "watch", "watch"]);
    let state = client.get("/v1/main/watch-post/ticket/t-1").json(200);
    assert_eq!((&state["sequence"], &state["state"]["status"]), (&json!(1), &json!("open")));
}

fn as_text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}
