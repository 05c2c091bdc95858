//! The host's own permission checks compared with NATS's. For a table of patterns and subjects, `Permissions` allows
//! exactly what a real server allows its users to publish and to subscribe to. Over NATS a host with keys requires a
//! token, as over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use polder_core::access::{Pattern, Permissions};
use polder_tests::{NatsOptions, NatsServer};

/// Pairs of allowed and denied patterns.
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
        let rules = format!("{{ allow: [{}], deny: [{}] }}", list(allowed), list(denied));
        let _ = writeln!(
            more,
            "  {{ user: u{number}, password: p, permissions: {{ publish: {rules}, subscribe: {rules} }} }}"
        );
    }
    more += "] }";
    let server = NatsServer::start_with(NatsOptions { jetstream: false, more, ..NatsOptions::default() });
    for (number, (allowed, denied)) in USERS.iter().enumerate() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect::<Vec<_>>();
        let permissions =
            Permissions { publish: patterns(allowed), subscribe: patterns(allowed), deny: patterns(denied) };
        let mut user = Wire::open(&server, &format!("u{number}"));
        for subject in SUBJECTS {
            let case = format!("user {number}: allow {allowed:?}, deny {denied:?}, {subject}");
            assert_eq!(permissions.may_publish(subject), user.may_publish(subject), "publish: {case}");
            assert_eq!(permissions.may_subscribe(subject), user.may_subscribe(subject), "subscribe: {case}");
        }
    }
}

/// A user's connection in NATS's own protocol: the server answers each request in order, after any error message about
/// it.
struct Wire {
    to: TcpStream,
    from: BufReader<TcpStream>,
}

impl Wire {
    fn open(server: &NatsServer, user: &str) -> Self {
        let to = TcpStream::connect(server.url().trim_start_matches("nats://")).unwrap();
        let mut wire = Self { from: BufReader::new(to.try_clone().unwrap()), to };
        let is_let_in = wire.is_taken(&format!("CONNECT {{\"user\":\"{user}\",\"pass\":\"p\",\"verbose\":false}}"));
        assert!(is_let_in, "{user}");
        wire
    }

    fn may_publish(&mut self, subject: &str) -> bool {
        self.is_taken(&format!("PUB {subject} 0\r\n"))
    }

    fn may_subscribe(&mut self, subject: &str) -> bool {
        self.is_taken(&format!("SUB {subject} 1"))
    }

    fn is_taken(&mut self, line: &str) -> bool {
        self.to.write_all(format!("{line}\r\nPING\r\n").as_bytes()).unwrap();
        let mut is_taken = true;
        loop {
            let mut answer = String::new();
            assert!(self.from.read_line(&mut answer).unwrap() > 0, "the server has closed: {line}");
            match answer.split_whitespace().next() {
                Some("PONG") => return is_taken,
                Some("-ERR") => {
                    assert!(answer.contains("Permissions Violation"), "{line}: {answer}");
                    is_taken = false;
                }
                // Messages that were published, and the server's greeting.
                _ => {}
            }
        }
    }
}
