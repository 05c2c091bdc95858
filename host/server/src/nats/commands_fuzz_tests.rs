//! Damaged subjects of commands: each is refused, or names the command that it is read as.

use polder_core::subject;
use polder_fuzz::{Damage, run};

use super::address;

#[test]
fn damaged_subjects_are_refused_or_name_their_command() {
    let good = ["main.cmd.orders.order.o-1.draft-order", "a.cmd.b-2.c.A_b:c@d=e+f~g.h"];
    let damage = Damage::new(good, &[".", "..", "*", ">", " ", "\0", "\r\n", "cmd", "$host", "é"]);
    let counts = run(1_000, |random| {
        let subject = damage.text(random);
        let Ok(found) = address(&subject) else { return false };
        let written =
            subject::command(&found.tenant, &found.domain, &found.aggregate, &found.aggregate_id, &found.name);
        // The host subscribes to subjects with `cmd` as the second token only.
        let tokens =
            |subject: &str| subject.split('.').map(str::to_owned).enumerate().filter(|(at, _)| *at != 1).collect();
        let (given, written): (Vec<_>, Vec<_>) = (tokens(&subject), tokens(&written));
        assert_eq!(given, written);
        true
    });
    counts.assert_both();
}
