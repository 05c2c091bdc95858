use polder_fuzz::{Damage, run};
use proptest::prelude::*;

use super::*;

fn inboxes(more: &[&str]) -> Arc<Inboxes> {
    Inboxes::new(&more.iter().map(|prefix| (*prefix).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_inbox_may_be_answered() {
    for subject in [
        "_INBOX.abc",
        "_INBOX.abc.1",
        "_R_.AbCd.xyz",
        "_GR_.c1.s1._INBOX.abc",
        "_GR_.c1.s1._R_.AbCd.xyz",
        "_INBOX.polderland.x",
    ] {
        assert_eq!(inboxes(&[]).check("x", &subject.into()).unwrap().as_str(), subject);
    }
    let own = inboxes(&["_INBOX_desk", "clients.replies"]);
    assert!(own.check("x", &"_INBOX_desk.7".into()).is_some() && own.check("x", &"clients.replies.7".into()).is_some());
    assert_eq!(own.refused(), 0);
}

#[test]
fn nothing_else_may() {
    let all = inboxes(&["_INBOX_desk"]);
    let long = format!("_INBOX.{}", "a".repeat(REPLY_SUBJECT_BYTES_MAX));
    let refused = [
        "",
        "_INBOX",
        "_INBOX.",
        "_INBOX..a",
        "_INBOX.*",
        "_INBOX.>",
        "_INBOX.a b",
        "_INBOX.a\r\nPUB",
        "_INBOXES.a",
        "_INBOX_desk",
        "_INBOX_desks.a",
        "_INBOX.polder.abc.1",
        "_GR_.c1.s1._INBOX.polder.abc.1",
        "_GR_.c1.s1.$polder.polder-1.frames",
        "_GR_.c1._INBOX.a",
        "$polder.polder-1.frames",
        "$polder.polder-1.keys.main",
        "$KV.polder-1-owner.owner",
        "$JS.API.STREAM.PURGE.polder-events-main",
        "acme.ticket-office.ticket.ticket-opened.v1",
        "main.result.reader-7",
        "main.cmd.orders.order.o-1.draft-order",
        &long,
    ];
    for subject in refused {
        assert_eq!(all.check("x", &subject.into()), None, "{subject:?}");
    }
    assert_eq!(all.refused(), refused.len() as u64);
}

#[test]
fn a_prefix_that_would_allow_too_much_is_refused() {
    for prefix in ["", ">", "*", "a.*", "a..b", "a b", "."] {
        assert!(Inboxes::new(&[prefix.to_owned()]).is_err(), "{prefix:?}");
    }
}

#[test]
fn only_hosts_answer_hosts() {
    let subject: Subject = format!("{}.abc", host_prefix()).into();
    assert!(ReplyTo::host(&subject).is_some());
    assert_eq!(inboxes(&[]).check("x", &subject), None);
    for subject in ["_INBOX.abc", "$polder.polder-1.frames", "_INBOX.polder", "_INBOX.polder.*"] {
        assert_eq!(ReplyTo::host(&subject.into()), None, "{subject}");
    }
}

#[test]
fn a_result_stays_with_its_tenant() {
    let tenant = TenantName::new("main").unwrap();
    let result = |id: &str| ReplyTo::result(&tenant, &CorrelationId::new(id).unwrap());
    assert_eq!(result("reader-7").unwrap().as_str(), "main.result.reader-7");
    for id in ["a.b", "*", "a>", ">"] {
        assert_eq!(result(id), None, "{id}");
    }
}

#[test]
fn damaged_reply_subjects_are_refused_or_inboxes() {
    let good = ["_INBOX.AbCd.1", "_R_.AbCd.xyz", "_GR_.c1.s1._INBOX.AbCd", "_INBOX_desk.7", "_INBOX.polder.AbCd.1"];
    let damage =
        Damage::new(good, &[".", "*", ">", "..", " ", "\r\nPUB x 0\r\n", "\0", "_GR_.", "polder", "$polder.", "é"]);
    let inboxes = inboxes(&["_INBOX_desk"]);
    let counts = run(1_000, |random| {
        let subject: Subject = damage.text(random).into();
        let (client, host) = (inboxes.check("x", &subject), inboxes.check_host("x", &subject));
        for to in [&client, &host].into_iter().flatten() {
            assert_eq!(to.as_str(), &*subject);
            assert!(subject.len() <= REPLY_SUBJECT_BYTES_MAX && !subject.contains(['*', '>', ' ', '\r', '\n', '\0']));
            assert!(subject.contains('.') && subject.split('.').all(|token| !token.is_empty()));
        }
        assert!(client.is_none() || host.is_none(), "{subject:?} is an inbox of clients and of hosts");
        client.is_some()
    });
    counts.assert_both();
    assert!(inboxes.refused() >= counts.refused());
}

proptest! {
    /// Any subject that passes begins with the token of an inbox, and is one plain subject.
    #[test]
    fn what_passes_is_an_inbox(tokens in prop::collection::vec("(_INBOX|_R_|_GR_|polder|\\$polder|main|[a-z*> .]{0,3})", 0..6)) {
        let subject = tokens.join(".");
        if let Some(to) = inboxes(&[]).check("x", &subject.clone().into()) {
            let inner = subject.strip_prefix("_GR_.").map_or(&*subject, |rest| rest.splitn(3, '.').nth(2).unwrap());
            prop_assert!(inner.starts_with("_INBOX.") || inner.starts_with("_R_."), "{}", to.as_str());
            prop_assert!(!inner.starts_with("_INBOX.polder.") && !subject.contains(['*', '>', ' ']));
            prop_assert!(subject.split('.').all(|token| !token.is_empty()));
        }
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,600}") {
        let _ = inboxes(&[]).check(&text, &text.clone().into());
        let _ = ReplyTo::host(&text.into());
    }
}
