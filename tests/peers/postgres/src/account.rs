//! PostgreSQL refuses to run as root, so root runs it as another user.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The users that replace root: the first one that exists on the machine.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The user as which the server's programs run.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// The user who runs this program.
    Own,
    StandIn {
        name: String,
        user: u32,
        group: u32,
    },
}

impl Account {
    pub(crate) fn find() -> Result<Self> {
        let own = std::fs::metadata("/proc/self").context("cannot find the current user")?.uid();
        if own != 0 {
            return Ok(Self::Own);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let stand_in = STAND_INS.iter().find_map(|name| among(&users, name));
        stand_in.with_context(|| {
            format!("PostgreSQL does not run as root, and there is no user {}", STAND_INS.join(" or "))
        })
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::StandIn { user, group, .. } = self {
            command.uid(*user).gid(*group);
        }
        command
    }

    /// Gives `folder` to the account, after a check that the account can reach it.
    pub(crate) fn take(&self, folder: &Path) -> Result<()> {
        let Self::StandIn { name, user, group } = self else { return Ok(()) };
        for above in folder.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            let metadata = std::fs::metadata(above)?;
            let all_may_enter = metadata.permissions().mode() & 0o001 != 0;
            ensure!(
                all_may_enter || metadata.uid() == *user,
                "PostgreSQL runs as {name}, which may not enter {}: name another folder with --dir, such as /var/tmp",
                above.display()
            );
        }
        Ok(chown(folder, Some(*user), Some(*group))?)
    }
}

fn among(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Account::StandIn { name: name.to_owned(), user, group })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_the_list_of_users() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:5:6::/:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/bash\n";
        let Some(Account::StandIn { name, user, group }) = among(users, "postgres") else { panic!("not found") };
        assert_eq!((name.as_str(), user, group), ("postgres", 101, 104));
        assert!(among(users, "nobody").is_none());
    }
}
