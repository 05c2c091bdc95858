//! Starts other programs: it prints each command on stderr, and turns a failed exit into an error that names the
//! command.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs this program, so that a toolchain chosen with `cargo +name` stays chosen.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")))
}

/// The folder in which the compiler in use keeps its libraries.
pub(crate) fn sysroot() -> Result<PathBuf> {
    Ok(PathBuf::from(output(rustc().args(["--print", "sysroot"]))?.trim()))
}

/// Prints the command line, then runs the command with this program's own stdout and stderr.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    eprintln!("+ {}", line(command));
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Works like [`show`], and passes each line of stdout to `each` after printing it.
pub(crate) fn show_lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    eprintln!("+ {}", line(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", line(command)))?;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text.context("cannot read what the command prints")?;
            let text = String::from_utf8_lossy(&text);
            writeln!(std::io::stdout(), "{text}")?;
            each(&text);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs quietly and returns stdout; an error includes stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", line(command), output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it, without the folder of the program.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_message() {
        let error = output(rustc().arg("--no-such-flag")).unwrap_err().to_string();
        assert!(error.starts_with("rustc --no-such-flag ended with") && error.contains("no-such-flag'"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = show(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start no-such-program-here"), "{error:#}");
    }

    #[test]
    fn lines_are_seen_one_by_one() {
        let mut lines = Vec::new();
        show_lines(rustc().arg("-vV"), |text| lines.push(text.to_owned())).unwrap();
        assert!(lines.len() > 3 && lines[0].starts_with("rustc "), "{lines:?}");
    }
}
