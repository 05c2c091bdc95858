//! Examples for every `--help`, in one table. A test checks that none is missing and that each one parses.

use clap::Command;

/// The words of a subcommand, and lines that can be typed. All use the same domain, host and tenant.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("", &["polder new ticket-office", "polder serve --data data", "polder deploy ticket-office"]),
    ("serve", &["polder serve --data data", "polder serve --data data --watch ticket-office"]),
    ("drain", &["polder drain --host http://127.0.0.1:7117"]),
    ("new", &["polder new ticket-office", "polder new library --aggregate book"]),
    ("build", &["polder build --path ticket-office"]),
    ("test", &["polder test --path ticket-office"]),
    ("deploy", &["polder deploy ticket-office", "polder deploy ticket-office.wasm --dry-run"]),
    ("rollback", &["polder rollback ticket-office", "polder rollback ticket-office --to 3f9a"]),
    ("revisions", &["polder revisions ticket-office"]),
    ("send", &[r#"polder send ticket-office/ticket/t-1 open-ticket '{"title": "The door squeaks"}'"#]),
    ("state", &["polder state ticket-office/ticket/t-1 --sequence 2"]),
    ("events", &["polder events --domain ticket-office --follow", "polder events ticket-office/ticket/t-1"]),
    (
        "view",
        &["polder view ticket-office/workload ann --after 3", "polder view ticket-office/workload --order -taken"],
    ),
    ("effects", &["polder effects ticket-office --after 10"]),
    ("parked", &["polder parked list"]),
    ("parked list", &["polder parked list --domain ticket-office"]),
    ("parked show", &["polder parked show 17"]),
    ("parked retry", &["polder parked retry 17", "polder parked retry --all"]),
    ("parked discard", &["polder parked discard 17"]),
    ("domains", &["polder domains"]),
    ("token", &["polder token key new --data data --actor ann"]),
    ("token key", &["polder token key list --data data"]),
    ("token key new", &["polder token key new --data data --actor ann"]),
    ("token key list", &["polder token key list --data data"]),
    ("token key revoke", &["polder token key revoke key-0123456789abcdef --data data"]),
    ("token issue", &["polder token issue --tenant main --actor desk --allow-publish 'main.cmd.>' --data data"]),
    ("token show", &["polder token show -"]),
    ("tenant", &["polder tenant list"]),
    ("tenant add", &["polder tenant add acme"]),
    ("tenant list", &["polder tenant list"]),
    ("tenant show", &["polder tenant show acme"]),
    ("tenant limits", &["polder tenant limits acme --set commands_per_second_max=1000"]),
    ("tenant suspend", &["polder tenant suspend acme"]),
    ("tenant resume", &["polder tenant resume acme"]),
    ("tenant export", &["polder tenant export acme --to acme-export"]),
    ("tenant remove", &["polder tenant remove acme --confirm acme"]),
    ("bridge", &["polder bridge show"]),
    ("bridge show", &["polder bridge show --tenant main"]),
    ("bridge set", &["polder bridge set rules.toml"]),
    ("import", &["polder import tickets.csv --map map.toml --dry-run", "polder import tickets.csv --map map.toml"]),
    ("verify", &["polder verify --data data"]),
    ("salvage", &["polder salvage --data data --out saved"]),
    ("doctor", &["polder doctor --data data"]),
];

/// The command with examples added to the help of each subcommand.
pub(crate) fn added_to(command: Command) -> Command {
    add(command, "")
}

fn add(command: Command, path: &str) -> Command {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let path = below(&name);
        command.mut_subcommand(name, |subcommand| add(subcommand, &path))
    });
    match examples_of(path) {
        Some(lines) => {
            let title = if lines.len() == 1 { "Example" } else { "Examples" };
            command.after_help(format!("{title}:\n  {}", lines.join("\n  ")))
        }
        None => command,
    }
}

fn examples_of(path: &str) -> Option<&'static [&'static str]> {
    EXAMPLES.iter().find(|(known, _)| *known == path).map(|(_, lines)| *lines)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;
    use crate::Arguments;

    /// Splits a line into words as a shell does, without escapes.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut is_quoted, mut has_word) = (vec![String::new()], false, false);
        for character in line.chars() {
            match character {
                '\'' => (is_quoted, has_word) = (!is_quoted, true),
                ' ' if !is_quoted => {
                    if has_word {
                        words.push(String::new());
                    }
                    has_word = false;
                }
                other => {
                    words.last_mut().unwrap().push(other);
                    has_word = true;
                }
            }
        }
        words
    }

    fn walk(command: &Command, path: &str, wrong: &mut Vec<String>) {
        if command.is_hide_set() || command.get_name() == "help" {
            return;
        }
        match examples_of(path) {
            None => wrong.push(format!("{path}: no example")),
            Some(lines) => {
                for line in lines {
                    let parsed = added_to(Arguments::command()).try_get_matches_from(words(line));
                    match parsed {
                        Err(error) if error.kind() != ErrorKind::DisplayHelp => wrong.push(format!("{line}: {error}")),
                        _ => {}
                    }
                }
            }
        }
        for argument in command.get_arguments() {
            if argument.get_help().is_none() && !argument.is_hide_set() {
                wrong.push(format!("{path}: {} is not explained", argument.get_id()));
            }
        }
        for below in command.get_subcommands() {
            walk(below, format!("{path} {}", below.get_name()).trim_start(), wrong);
        }
    }

    #[test]
    fn every_help_has_an_example_that_parses_and_explains_each_argument() {
        let mut command = added_to(Arguments::command());
        command.build();
        let mut wrong = Vec::new();
        walk(&command, "", &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let help = command.find_subcommand_mut("rollback").unwrap().render_help().to_string();
        assert!(help.contains("Examples:\n  polder rollback ticket-office"), "{help}");
    }
}
