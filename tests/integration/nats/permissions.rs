//! The host's own permission checks against NATS's: over a table of patterns and subjects, what `Permissions` allows is what a real server
//! allows its users to publish and to subscribe to. And over NATS the host asks for a token where it has keys, as over HTTP.

use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::access::{Pattern, Permissions};
use polder_tests::{NatsOptions, NatsServer};

use super::site::runtime;

/// Allowed, denied.
const USERS: &[(&[&str], &[&str])] = &[
    (&["main.cmd.orders.>"], &[]),
    (&["main.cmd.>"], &["main.cmd.*.*.*.cancel-order"]),
    (&["main.*.orders"], &[]),
    (&[">"], &["other.>"]),
    (&["*.cmd.orders.order.o-1.*"], &["main.cmd.>"]),
    (&["main.>"], &["main.cmd.orders.order.*.submit-order", "main.admin.>"]),
    (&["main", "main.query.*.catalog"], &[]),
    (&["*.*"], &["main.*"]),
    (&["main.c*.x"], &[]),
    (&[">"], &[">"]),
];

const SUBJECTS: &[&str] = &[
    "main",
    "main.cmd",
    "main.x",
    "main.cmd.orders",
    "main.cmd.orders.order.o-1.submit-order",
    "main.cmd.orders.order.o-1.cancel-order",
    "main.cmd.permits.permit.p-1.cancel-order",
    "main.query.orders",
    "main.query.orders.catalog",
    "main.admin.deploy.orders",
    "main.cmds.orders",
    "main.c*.x",
    "main.cmd.x",
    "other",
    "other.cmd.orders.order.o-1.submit-order",
    "Main.cmd.orders",
];

#[test]
fn what_is_permitted_is_what_a_real_server_permits() {
    let list = |patterns: &[&str]| patterns.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let mut more = String::from("authorization { users: [\n  { user: root, password: p }\n");
    for (number, (allowed, denied)) in USERS.iter().enumerate() {
        // Every user may have an inbox, as the test's own questions need one.
        let rules = format!("{{ allow: [{}], deny: [{}] }}", list(allowed), list(denied));
        let _ = writeln!(
            more,
            "  {{ user: u{number}, password: p, permissions: {{ publish: {rules}, subscribe: {rules} }} }}"
        );
    }
    more += "] }";
    let server = NatsServer::start_with(NatsOptions { jetstream: false, more, ..NatsOptions::default() });
    let runtime = runtime();
    for (number, (allowed, denied)) in USERS.iter().enumerate() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect::<Vec<_>>();
        let permissions =
            Permissions { publish: patterns(allowed), subscribe: patterns(allowed), deny: patterns(denied) };
        let (published, subscribed) = runtime.block_on(seen(&server, &format!("u{number}")));
        for subject in SUBJECTS {
            let told = format!("user {number}: allow {allowed:?}, deny {denied:?}, {subject}");
            assert_eq!(permissions.may_publish(subject), published.contains(&subject.to_string()), "publish: {told}");
            assert_eq!(
                permissions.may_subscribe(subject),
                subscribed.contains(&subject.to_string()),
                "subscribe: {told}"
            );
        }
    }
}

/// The subjects that this user's messages came through on, and those on which it got messages.
async fn seen(server: &NatsServer, user: &str) -> (Vec<String>, Vec<String>) {
    const QUIET: Duration = Duration::from_millis(200);
    let connect = async |user: &str| {
        let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), "p".to_owned());
        options.connect(server.url()).await.unwrap()
    };
    let (root, user) = (connect("root").await, connect(user).await);
    let mut all = root.subscribe(">").await.unwrap();
    let mut own = Vec::new();
    for subject in SUBJECTS {
        // A pattern of its own: the subject itself, read as one.
        own.push(user.subscribe(subject.to_string()).await.unwrap());
    }
    root.flush().await.unwrap();
    user.flush().await.unwrap();
    for subject in SUBJECTS {
        user.publish(subject.to_string(), "from user".into()).await.unwrap();
    }
    user.flush().await.unwrap();
    let mut published = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(QUIET, all.next()).await {
        published.push(message.subject.to_string());
    }
    for subject in SUBJECTS {
        root.publish(subject.to_string(), "from root".into()).await.unwrap();
    }
    root.flush().await.unwrap();
    let mut subscribed = Vec::new();
    let mut own = futures::stream::select_all(own);
    while let Ok(Some(message)) = tokio::time::timeout(QUIET, own.next()).await {
        if message.payload == "from root" {
            subscribed.push(message.subject.to_string());
        }
    }
    (published, subscribed)
}
