//! A stream with lost or changed messages is refused, naming the frame; an unreliable server is refused at start.

use std::path::Path;

use async_nats::jetstream;
use polder_core::JournalNumber;
use polder_journal_contract::model::{Model, SEALED, accept, tenant};
use polder_nats::journal::{JournalError, JournalLink, JournalOptions, JournalSecret, SyncInterval, verify_stream};
use polder_tests::{NatsOptions, NatsServer};
use tempfile::tempdir;
use tokio::runtime::Runtime;

use super::site::{connect, lead, link, open_copy, secret_file, server, unsynced};

const FRAMES: u64 = 8;

/// Fills a journal with eight frames; the first opens it and the last closes it.
fn filled(server: &NatsServer, dir: &Path) -> Model {
    let mut model = Model::default();
    let (mut writer, _, _) = lead(&link(server), dir).unwrap();
    for number in 0..FRAMES - 2 {
        model.append(&mut writer, &[accept("main", number as u8, &[100])]).unwrap();
    }
    writer.close().unwrap();
    model
}

/// Makes the stream again from its messages; `change` may change or drop each one, as a bad restore would.
fn tampered(server: &NatsServer, change: impl Fn(u64, Vec<u8>) -> Option<Vec<u8>>) {
    Runtime::new().unwrap().block_on(async {
        let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let stream = context.get_stream("polder-1-journal").await.unwrap();
        let config = stream.cached_info().config.clone();
        let mut messages = Vec::new();
        for number in 1..=stream.cached_info().state.last_sequence {
            messages.push((number, stream.get_raw_message(number).await.unwrap()));
        }
        context.delete_stream("polder-1-journal").await.unwrap();
        context.create_stream(config).await.unwrap();
        for (number, message) in messages {
            let Some(bytes) = change(number, message.payload.to_vec()) else { continue };
            let mut headers = async_nats::HeaderMap::new();
            for name in ["Polder-Frame", "Polder-Mark"] {
                headers.insert(name, message.headers.get(name).unwrap().clone());
            }
            let sent = context.publish_with_headers("$polder.polder-1.frames", headers, bytes.into()).await;
            sent.unwrap().await.unwrap();
        }
    });
}

#[track_caller]
fn lost<T>(result: Result<T, JournalError>) -> (u64, String) {
    match result.map(|_| ()) {
        Err(JournalError::Lost { frame, what, .. }) => (frame, what),
        other => panic!("expected a loss, got {other:?}"),
    }
}

#[test]
fn a_whole_stream_is_verified() {
    let (server, folder) = (server(), tempdir().unwrap());
    filled(&server, folder.path());
    let report = verify_stream(&link(&server)).unwrap();
    assert_eq!((report.frames, report.commands, report.events, report.closed), (FRAMES, FRAMES - 2, FRAMES - 2, true));
    assert!(report.sealed.is_empty());
}

#[test]
fn a_stream_that_lost_its_end_is_refused() {
    let (server, folder) = (server(), tempdir().unwrap());
    filled(&server, folder.path());
    tampered(&server, |number, bytes| (number < 5).then_some(bytes));
    let (frame, what) = lost(open_copy(&link(&server), folder.path()));
    assert_eq!(frame, 5);
    assert!(what.contains("ends with frame 4") && what.contains("frame 8"), "{what}");
}

#[test]
fn a_stream_that_lost_a_frame_in_the_middle_is_refused() {
    let (server, folder) = (server(), tempdir().unwrap());
    filled(&server, folder.path());
    tampered(&server, |number, bytes| (number != 4).then_some(bytes));
    assert_eq!(lost(open_copy(&link(&server), folder.path())).0, 8);
    let (frame, what) = lost(open_copy(&link(&server), tempdir().unwrap().path()));
    assert_eq!(frame, 4);
    assert!(what.contains("frame 5 was found there"), "{what}");
    assert_eq!(lost(verify_stream(&link(&server))).0, 4);
}

#[test]
fn a_stream_with_a_changed_frame_is_refused() {
    let (server, folder) = (server(), tempdir().unwrap());
    filled(&server, folder.path());
    let flip = |at: u64| {
        move |number, mut bytes: Vec<u8>| {
            if number == at {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
            Some(bytes)
        }
    };
    tampered(&server, flip(3));
    let (frame, what) = lost(verify_stream(&link(&server)));
    assert!(frame == 3 && what.contains("frame 4 was found there"), "{frame}: {what}");
    assert_eq!(lost(open_copy(&link(&server), tempdir().unwrap().path())).0, 3);
    tampered(&server, flip(8));
    assert_eq!(lost(open_copy(&link(&server), folder.path())).0, 8, "the frame at the end of the copy");
}

#[test]
fn another_journal_in_place_of_this_one_is_refused() {
    let (server, (one, two)) = (server(), (tempdir().unwrap(), tempdir().unwrap()));
    filled(&server, one.path());
    tampered(&server, |_, _| None);
    filled(&server, two.path());
    let (frame, what) = lost(open_copy(&link(&server), one.path()));
    assert!(frame == FRAMES && what.contains("not the frame that was copied"), "{frame}: {what}");
}

#[test]
fn a_damaged_copy_is_made_anew() {
    let (server, folder) = (server(), tempdir().unwrap());
    let model = filled(&server, folder.path());
    let segment = folder.path().join("journal/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (_follower, reader, report) = open_copy(&link(&server), folder.path()).unwrap();
    assert!(report.begun_anew.is_some());
    model.check(&reader);
}

#[test]
fn keys_are_had_by_every_host_until_one_erases_them() {
    let (server, folder) = (server(), tempdir().unwrap());
    filled(&server, folder.path());
    let (here, there) = (link(&server).keyring().unwrap(), link(&server).keyring().unwrap());
    assert!(here.has(&tenant(SEALED)) && there.has(&tenant(SEALED)));
    let secret = secret(&server);
    assert!(holds(server.folder(), &secret), "the server has it");
    here.destroy(&tenant(SEALED)).unwrap();
    assert!(!link(&server).keyring().unwrap().has(&tenant(SEALED)));
    assert!(!holds(server.folder(), &secret), "nor is it left on the server's disk");
    assert_eq!(verify_stream(&link(&server)).unwrap().sealed.len(), 1);
}

fn secret(server: &NatsServer) -> Vec<u8> {
    Runtime::new().unwrap().block_on(async {
        let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let stream = context.get_stream("polder-1-tenant-keys").await.unwrap();
        let message = stream.get_last_raw_message_by_subject("$polder.polder-1.keys.main").await.unwrap();
        message.payload.to_vec()
    })
}

/// Whether any file in the folder or below contains `needle`.
fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, needle),
            false => std::fs::read(path).unwrap().windows(needle.len()).any(|bytes| bytes == needle),
        }
    })
}

#[test]
fn one_server_that_does_not_sync_is_refused_unless_that_is_accepted() {
    let open = |sync_interval, accepts_unsynced| {
        let server = NatsServer::start_with(NatsOptions { sync_interval, ..NatsOptions::default() });
        let monitoring = Some(server.monitoring_url());
        let options = JournalOptions { accepts_unsynced, monitoring, ..unsynced(&server) };
        JournalLink::open(&connect(&server.url()), &options, JournalNumber::FIRST).map(|link| link.durability().clone())
    };
    let refused = open(None, false).unwrap_err().to_string();
    assert!(refused.contains("synced within 120s") && refused.contains("--accept-unsynced"), "{refused}");
    assert!(open(None, true).unwrap().to_string().contains("can be lost"));
    assert_eq!(open(Some("always"), false).unwrap().sync, SyncInterval::Always);
}

#[test]
fn a_stream_of_that_name_with_other_settings_is_refused() {
    let server = server();
    Runtime::new().unwrap().block_on(async {
        let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let config = jetstream::stream::Config {
            name: "polder-1-journal".to_owned(),
            subjects: vec!["$polder.polder-1.frames".to_owned()],
            max_age: std::time::Duration::from_secs(3600),
            ..jetstream::stream::Config::default()
        };
        context.create_stream(config).await.unwrap();
    });
    JournalSecret::make(&secret_file(&server)).unwrap();
    let refused = JournalLink::open(&connect(&server.url()), &unsynced(&server), JournalNumber::FIRST).err().unwrap();
    assert!(matches!(refused, JournalError::OtherSettings { .. }), "{refused}");
}
