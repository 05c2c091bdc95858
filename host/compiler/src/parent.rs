//! The parent's side: starts the child, watches its memory and time, and says at which limit it ended.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use polder_core::MemoryReservation;
use polder_engine::{CompileError, CompileJob, Compiler, Stop};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, setpriority_process, waitid};

use crate::{CompilerLimits, REFUSED_EXIT_CODE, SUBCOMMAND};

/// The file that this process was started from, also when another one has taken its name since.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Between two looks at the child. A compiler was seen to take up to 1 GB/s.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The memory is reserved in steps of this many bytes, one step ahead of the child.
const MEMORY_STEP_BYTES: u64 = 32 * 1024 * 1024;
/// Processor time after which the child gives way to everything else. A component of ordinary size is compiled by then. Wall time would not do: on a
/// busy machine an ordinary compiler would give way, and then wait for as long as the machine is busy.
const SHORT_COMPILE_CPU: Duration = Duration::from_secs(2);
const NICE_WHEN_LONG: i32 = 19;
/// Of a refusal, in bytes.
const REFUSAL_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of memory that the kernel counts in.
const PAGE_BYTES: u64 = 4096;
/// Processor time that the kernel counts in: its `USER_HZ` is 100 a second.
const MS_PER_TICK: u64 = 10;

/// Compiles in a child process.
#[derive(Debug)]
pub struct ChildCompiler {
    program: PathBuf,
    limits: CompilerLimits,
}

/// A child that is killed, and waited for, when it is not needed any more.
struct Running {
    child: Child,
    /// Says that the child has ended.
    ended: Receiver<()>,
    started: Instant,
    gives_way: bool,
}

impl ChildCompiler {
    /// With the program that this process runs, which must have the subcommand [`SUBCOMMAND`].
    pub fn of_this_program(limits: CompilerLimits) -> Self {
        Self::new(OWN_PROGRAM, limits)
    }

    pub fn new(program: impl Into<PathBuf>, limits: CompilerLimits) -> Self {
        Self { program: program.into(), limits }
    }

    fn start(&self, component: File, code: File, refusal: File) -> io::Result<Running> {
        let CompilerLimits { cpu_s_max, wall_ms_max, memory_bytes_max, code_bytes_max } = self.limits;
        let child = Command::new(&self.program)
            .arg0("polder")
            .arg(SUBCOMMAND)
            .args(["--parent", &std::process::id().to_string()])
            .args(["--cpu-s-max", &cpu_s_max.to_string()])
            .args(["--wall-ms-max", &wall_ms_max.to_string()])
            .args(["--memory-bytes-max", &memory_bytes_max.to_string()])
            .args(["--code-bytes-max", &code_bytes_max.to_string()])
            .env_clear()
            .stdin(component)
            .stdout(code)
            .stderr(Stdio::from(refusal))
            .spawn()?;
        // First, so that the child is killed when the thread cannot be started.
        let mut running = Running { child, ended: mpsc::channel().1, started: Instant::now(), gives_way: false };
        running.ended = when_ended(&running.child)?;
        Ok(running)
    }

    /// Waits for the child's end, within the limits.
    fn watch(
        &self,
        running: &mut Running,
        memory: &mut MemoryReservation,
        stop: &Stop,
    ) -> Result<ExitStatus, CompileError> {
        loop {
            if stop.is_set() {
                return Err(CompileError::Stopped);
            }
            let elapsed = running.started.elapsed();
            if elapsed > Duration::from_millis(self.limits.wall_ms_max) {
                return Err(limit("compiler_wall_ms_max", self.limits.wall_ms_max, "ms of wall time"));
            }
            let resident = running.resident_bytes().unwrap_or_default();
            if resident > self.limits.memory_bytes_max {
                return Err(self.memory_limit());
            }
            let wanted = resident.saturating_add(MEMORY_STEP_BYTES).min(self.limits.memory_bytes_max);
            if wanted > memory.bytes() {
                memory.grow((wanted - memory.bytes()).next_multiple_of(MEMORY_STEP_BYTES))?;
            }
            if !running.gives_way && running.cpu_time().unwrap_or_default() > SHORT_COMPILE_CPU {
                // Fails only for a child that has ended.
                let _ = setpriority_process(Some(pid(&running.child)), NICE_WHEN_LONG);
                running.gives_way = true;
            }
            if running.ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                return running.child.wait().map_err(failed);
            }
        }
    }

    fn memory_limit(&self) -> CompileError {
        limit("compiler_memory_bytes_max", self.limits.memory_bytes_max, "bytes of memory")
    }

    /// What the child's end means.
    fn explain(&self, status: ExitStatus, refusal: &mut File) -> Result<(), CompileError> {
        let signal = status.signal();
        let is = |wanted: Signal| signal == Some(wanted.as_raw());
        if status.success() {
            return Ok(());
        }
        let mut said = String::new();
        let read = refusal.rewind().and_then(|()| refusal.by_ref().take(REFUSAL_BYTES_MAX).read_to_string(&mut said));
        if let Err(error) = read {
            said = format!("its words cannot be read: {error}");
        }
        let said = said.trim_end();
        if status.code() == Some(i32::from(REFUSED_EXIT_CODE)) {
            return Err(CompileError::Refused(said.to_owned()));
        }
        if is(Signal::XCPU) {
            return Err(limit("compiler_cpu_s_max", self.limits.cpu_s_max, "s of processor time"));
        }
        if is(Signal::XFSZ) {
            return Err(limit("compiler_code_bytes_max", self.limits.code_bytes_max, "bytes of machine code"));
        }
        // Rust's word for an allocation that the limit on address space refused.
        if is(Signal::ABORT) && said.contains("memory allocation of") {
            return Err(self.memory_limit());
        }
        tracing::error!(%status, said, "a compiler failed");
        match signal {
            _ if is(Signal::KILL) => {
                Err(CompileError::Failed("it was killed, as the kernel does when memory is short".to_owned()))
            }
            // What the component does to the compiler is its author's to change, until the compiler is mended.
            Some(_) => Err(CompileError::Refused(format!("the compiler crashed over the component ({status})"))),
            None => Err(CompileError::Failed(format!("{status}: {said}"))),
        }
    }
}

impl Compiler for ChildCompiler {
    fn compile(&self, job: CompileJob<'_>) -> Result<Vec<u8>, CompileError> {
        let CompileJob { component, folder, memory, stop, .. } = job;
        let component = component.file(folder).map_err(failed)?;
        let mut code = tempfile::tempfile_in(folder).map_err(failed)?;
        let mut refusal = tempfile::tempfile_in(folder).map_err(failed)?;
        memory.grow(MEMORY_STEP_BYTES)?;
        let (to_child, words) = (code.try_clone().map_err(failed)?, refusal.try_clone().map_err(failed)?);
        let mut running = self.start(component, to_child, words).map_err(failed)?;
        let status = self.watch(&mut running, memory, stop)?;
        drop(running);
        self.explain(status, &mut refusal)?;
        let mut bytes = Vec::new();
        code.rewind().and_then(|()| code.read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes)
    }
}

impl Running {
    /// Memory that the child holds. `None` once it has ended.
    fn resident_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * PAGE_BYTES)
    }

    /// Processor time that the child has taken, in user and in kernel mode. `None` once it has ended.
    fn cpu_time(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The program's name stands in parentheses and may hold spaces; user and kernel time are the 12th and 13th field behind it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * MS_PER_TICK))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended, and was waited for, already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread waits for the child, and leaves it to be reaped by its owner.
fn when_ended(child: &Child) -> io::Result<Receiver<()>> {
    let (ended, receiver) = mpsc::channel();
    let pid = pid(child);
    thread::Builder::new().name("compiler-end".into()).spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        // Nobody waits any more when the child was killed.
        let _ = ended.send(());
    })?;
    Ok(receiver)
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn limit(limit: &'static str, value: u64, unit: &'static str) -> CompileError {
    CompileError::Limit { limit, value, unit }
}

fn failed(error: io::Error) -> CompileError {
    CompileError::Failed(error.to_string())
}
