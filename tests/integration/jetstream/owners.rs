//! Several hosts want one journal: all read the same, one writes at a time, and a deposed owner cannot append.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use polder_journal::{AppendError, LogError};
use polder_journal_contract::model::{Model, accept, reject};
use polder_nats::journal::verify_stream;
use tempfile::tempdir;

use super::site::{lead, link, open_copy, server};

#[test]
fn another_host_goes_on_where_the_last_one_stopped() {
    let (server, mut model) = (server(), Model::default());
    let folders: Vec<_> = (0..3).map(|_| tempdir().unwrap()).collect();
    for round in 0..9 {
        let (mut writer, reader, report) = lead(&link(&server), folders[round % 3].path()).unwrap();
        assert_eq!(report.begun_anew, None);
        model.check(&reader);
        for number in 0..5 {
            model.append(&mut writer, &[accept("main", number, &[700, 10]), reject("other", 1)]).unwrap();
        }
        if round % 2 == 0 {
            writer.close().unwrap();
        }
    }
    let empty = tempdir().unwrap();
    model.check(&open_copy(&link(&server), empty.path()).unwrap().1);
}

#[test]
fn a_frame_may_be_larger_than_a_message() {
    let (server, one, two) = (server(), tempdir().unwrap(), tempdir().unwrap());
    let mut model = Model::default();
    let (mut writer, reader, _) = lead(&link(&server), one.path()).unwrap();
    for _ in 0..2 {
        model.append(&mut writer, &[accept("main", 1, &[5, 1_500_000]), accept("other", 2, &[5])]).unwrap();
    }
    model.check(&reader);
    drop(writer);
    model.check(&lead(&link(&server), two.path()).unwrap().1);
    assert_eq!(verify_stream(&link(&server)).unwrap().commands, 4);
}

#[test]
fn a_follower_sees_what_the_owner_appends() {
    let (server, (one, two)) = (server(), (tempdir().unwrap(), tempdir().unwrap()));
    let (mut writer, _, _) = lead(&link(&server), one.path()).unwrap();
    let following = link(&server);
    let (mut follower, reader, _) = open_copy(&following, two.path()).unwrap();
    let (model, appended) = (Mutex::new(Model::default()), 60);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..appended {
                let wishes = [accept("main", number, &[100]), accept("other", 1, &[5])];
                model.lock().unwrap().append(&mut writer, &wishes).unwrap();
            }
        });
        let mut frames = 0;
        let counted = following.follow(&mut follower, Duration::from_secs(20), |followed| {
            frames += usize::from(followed.expect("frames come").tenants.len() == 2);
            frames < usize::from(appended)
        });
        counted.unwrap();
    });
    model.lock().unwrap().check(&reader);
}

#[test]
fn a_deposed_owner_appends_nothing() {
    let (server, (one, two)) = (server(), (tempdir().unwrap(), tempdir().unwrap()));
    let mut model = Model::default();
    let (mut old, old_reader, _) = lead(&link(&server), one.path()).unwrap();
    model.append(&mut old, &[accept("main", 1, &[1])]).unwrap();
    let (mut new, reader, _) = lead(&link(&server), two.path()).unwrap();
    let (error, _) = model.append(&mut old, &[accept("main", 2, &[1])]).unwrap_err();
    assert!(matches!(error, AppendError::Log(LogError::Overtaken { number: 3 })), "{error:?}");
    model.append(&mut new, &[accept("main", 2, &[1]), accept("main", 1, &[1])]).unwrap();
    model.check(&reader);
    let (mut follower, link) = (old.into_follower(), link(&server));
    link.catch_up(&mut follower).unwrap();
    model.check(&old_reader);
}

/// Sets the flag at the end of its scope, even if a test fails there.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Each deposes the other as soon as it is deposed itself, and gives it time to do so.
#[test]
fn two_would_be_owners_fight_and_the_history_is_one() {
    const APPENDS: usize = 60;
    /// An owner that was not deposed within this number of appends waits until it is.
    const APPENDS_IN_PEACE_MAX: usize = 10;
    let (server, model) = (server(), Mutex::new(Model::default()));
    let (depositions, claims, are_done) = (Mutex::new(0), <[AtomicUsize; 2]>::default(), <[AtomicBool; 2]>::default());
    // One after the other: the first makes the secret that both need.
    let links = [link(&server), link(&server)];
    std::thread::scope(|scope| {
        for (name, link) in (0..2_u8).zip(&links) {
            let (model, depositions) = (&model, &depositions);
            let (own_claims, other_claims) = (&claims[usize::from(name)], &claims[usize::from(1 - name)]);
            let (is_done, is_other_done) = (&are_done[usize::from(name)], &are_done[usize::from(1 - name)]);
            scope.spawn(move || {
                // Set also after a failure: the other would wait for it without end.
                let _done = SetWhenDropped(is_done);
                let folder = tempdir().unwrap();
                let (mut follower, _reader, _) = open_copy(link, folder.path()).unwrap();
                let mut left = APPENDS;
                while left > 0 {
                    let claims_before = other_claims.load(Ordering::SeqCst);
                    link.claim(&mut follower).unwrap();
                    own_claims.fetch_add(1, Ordering::SeqCst);
                    let mut writer = link.writer(follower).unwrap();
                    let mut appended = 0;
                    loop {
                        // Both share one model: the next decision follows from all acknowledged ones of both owners.
                        let mut model = model.lock().unwrap();
                        match model.append(&mut writer, &[accept("main", name, &[50]), accept("main", 9, &[5])]) {
                            Ok(()) => (left, appended) = (left - 1, appended + 1),
                            Err((AppendError::Log(LogError::Overtaken { .. }), _)) => break,
                            Err((other, _)) => panic!("{other:?}"),
                        }
                        drop(model);
                        if left == 0 {
                            break;
                        }
                        let is_in_peace = || other_claims.load(Ordering::SeqCst) == claims_before;
                        while appended >= APPENDS_IN_PEACE_MAX && is_in_peace() && !is_other_done.load(Ordering::SeqCst)
                        {
                            std::thread::yield_now();
                        }
                    }
                    *depositions.lock().unwrap() += 1;
                    follower = writer.into_follower();
                }
            });
        }
    });
    assert!(*depositions.lock().unwrap() > 2, "they fought");
    let folder = tempdir().unwrap();
    let (_writer, reader, _) = lead(&link(&server), folder.path()).unwrap();
    let model = model.into_inner().unwrap();
    assert_eq!(model.records.len(), 4 * APPENDS);
    model.check(&reader);
}
