//! `polder doctor --nats`: the problems of a server, and their remedies.

use polder_tests::{Host, NatsOptions, NatsServer, Ran, polder};

fn doctor(host: &Host, server: &NatsServer, more: &[&str]) -> Ran {
    let url = server.url();
    let arguments = [&["doctor", "--host", host.address(), "--nats", &url][..], more].concat();
    polder(&arguments)
}

#[test]
fn the_doctor_looks_at_nats() {
    let (data, server) = (tempfile::tempdir().unwrap(), NatsServer::start());
    let host = Host::start(data.path());
    let monitoring = server.monitoring_url();
    let said = doctor(&host, &server, &["--nats-monitoring", &monitoring]);
    for line in [
        "ok       nats: nats-server 2.",
        "ok       nats jetstream: it answers",
        "ok       nats max_payload: 1048576 bytes",
        "ok       nats sync_interval: 120s",
        "ok       nats clock: differs by",
    ] {
        assert!(said.stdout.contains(line), "{line}: {said}");
    }
    assert!(doctor(&host, &server, &[]).stdout.contains("absent   nats monitoring: not checked"), "{said}");

    let options =
        NatsOptions { payload_bytes_max: Some(65_536), sync_interval: Some("always"), ..NatsOptions::default() };
    let server = NatsServer::start_with(options);
    let monitoring = server.monitoring_url();
    let said = doctor(&host, &server, &["--nats-monitoring", &monitoring]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stdout.contains("problem  nats max_payload: 65536 bytes"), "{said}");
    assert!(said.stdout.contains("ok       nats sync_interval: always"), "{said}");

    let server = NatsServer::start_with(NatsOptions { jetstream: false, ..NatsOptions::default() });
    let said = doctor(&host, &server, &["--nats-monitoring", "http://127.0.0.1:1"]);
    assert!(said.stdout.contains("problem  nats jetstream: JetStream is off"), "{said}");
    assert!(said.stdout.contains("problem  nats monitoring: http://127.0.0.1:1/varz cannot be read"), "{said}");
}
