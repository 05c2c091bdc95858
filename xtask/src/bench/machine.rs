//! The machine on which the figures were measured. It records nothing that names the machine or its location.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run;

#[derive(Debug)]
pub(super) struct Machine {
    /// Pairs of name and value, in the order of the page.
    pub(super) facts: Vec<(String, String)>,
}

impl Machine {
    /// Reads the facts, including the type of the file system that `folder` is on.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut facts = Vec::new();
        let mut add = |name: &str, fact: Option<String>| {
            facts.push((name.to_owned(), fact.unwrap_or_else(|| String::from("unknown"))));
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok();
        add("processor", cpu.as_deref().and_then(|text| field(text, "model name")));
        add("processors", std::thread::available_parallelism().ok().map(|count| count.to_string()));
        let memory = std::fs::read_to_string("/proc/meminfo").ok();
        add("memory", memory.as_deref().and_then(|text| field(text, "MemTotal")).and_then(|kib| gib(&kib)));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        // Without the suffix that a distribution or a provider adds to the version.
        add("kernel", kernel.and_then(|text| Some(format!("Linux {}", text.trim().split('-').next()?))));
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok();
        add("file system", mounts.and_then(|mounts| file_system(&mounts, &folder.canonicalize().ok()?)));
        let clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        add("clock source", std::fs::read_to_string(clock).ok().map(|text| text.trim().to_owned()));
        add("rustc", run::output(run::rustc().arg("--version")).ok().map(|text| text.trim().to_owned()));
        let mut git = Command::new("git");
        let commit = run::output(git.args(["describe", "--always", "--dirty", "--abbrev=12"])).ok();
        add("commit", commit.map(|text| text.trim().to_owned()));
        let mut date = Command::new("date");
        add("when", run::output(date.args(["-u", "+%Y-%m-%d %H:%M UTC"])).ok().map(|text| text.trim().to_owned()));
        Ok(Self { facts })
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn gib(kib: &str) -> Option<String> {
    let kib: f64 = kib.strip_suffix(" kB")?.trim().parse().ok()?;
    Some(format!("{:.1} GiB", kib / (1024.0 * 1024.0)))
}

/// The type of the innermost mount that contains `folder`.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let fields = mounts.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let holding = fields.filter(|fields| fields.len() > 2 && folder.starts_with(fields[1]));
    let innermost = holding.max_by_key(|fields| fields[1].len())?;
    Some(innermost[2].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/a / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw,noatime 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x/y")).as_deref(), Some("xfs"));
        assert_eq!(file_system(mounts, Path::new("/tmp/xy")).as_deref(), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/home")).as_deref(), Some("ext4"));
    }

    #[test]
    fn facts_are_read() {
        assert_eq!(field("a\t: 1\nmodel name\t: Fast: 2\n", "model name").as_deref(), Some("Fast: 2"));
        assert_eq!(gib("24684000 kB").as_deref(), Some("23.5 GiB"));
    }
}
