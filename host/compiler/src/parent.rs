//! The parent process: starts the child, watches its memory and time, and reports the limit that ended it.

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

use crate::limits::CompilerLimits;
use crate::{REFUSED_EXIT_CODE, SUBCOMMAND};

/// The file that this process was started from, even if another file has its name now.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Interval between two checks of the child. A compiler was measured to allocate up to 1 GB/s.
const CHECK_EVERY: Duration = Duration::from_millis(10);
/// Size in bytes of the steps in which memory is reserved, one step ahead of the child.
const MEMORY_STEP_BYTES: u64 = 32 * 1024 * 1024;
/// Processor time after which the child's priority is lowered. An ordinary component is compiled by then. Wall time
/// would not do: on a busy machine an ordinary compilation would be lowered too, and would then wait for as long as the
/// machine is busy.
const SHORT_COMPILE_CPU: Duration = Duration::from_secs(2);
const NICE_WHEN_LONG: i32 = 19;
/// Maximum length of a refusal's message, in bytes.
const REFUSAL_BYTES_MAX: u64 = 16 * 1024;
/// Size of a page in the kernel's memory counts, in bytes.
const PAGE_BYTES: u64 = 4096;
/// Milliseconds per tick in the kernel's times: its `USER_HZ` is 100 per second.
const MS_PER_TICK: u64 = 10;

/// Compiles in a child process.
#[derive(Debug)]
pub struct ChildCompiler {
    program: PathBuf,
    limits: CompilerLimits,
}

/// A running child. Dropping it kills the child and waits for its end.
struct Running {
    child: Child,
    /// Receives a message when the child has ended.
    ended: Receiver<()>,
    started: Instant,
    gives_way: bool,
}

impl ChildCompiler {
    /// A compiler that runs the program of this process, which must have the subcommand [`SUBCOMMAND`].
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
        // `Running` is created first, so that the child is killed if the thread cannot be started.
        let mut running = Running { child, ended: mpsc::channel().1, started: Instant::now(), gives_way: false };
        running.ended = when_ended(&running.child)?;
        Ok(running)
    }

    /// Waits for the child's end, and checks its limits meanwhile.
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
                // Fails only if the child has ended.
                let _ = setpriority_process(Some(pid(&running.child)), NICE_WHEN_LONG);
                running.gives_way = true;
            }
            if running.ended.recv_timeout(CHECK_EVERY) != Err(RecvTimeoutError::Timeout) {
                return running.child.wait().map_err(failed);
            }
        }
    }

    fn memory_limit(&self) -> CompileError {
        limit("compiler_memory_bytes_max", self.limits.memory_bytes_max, "bytes of memory")
    }

    /// Converts the child's exit status into a result.
    fn explain(&self, status: ExitStatus, refusal: &mut File) -> Result<(), CompileError> {
        let signal = status.signal();
        let is = |wanted: Signal| signal == Some(wanted.as_raw());
        if status.success() {
            return Ok(());
        }
        let mut stderr = String::new();
        let read = refusal.rewind().and_then(|()| refusal.by_ref().take(REFUSAL_BYTES_MAX).read_to_string(&mut stderr));
        if let Err(error) = read {
            stderr = format!("its error output cannot be read: {error}");
        }
        let stderr = stderr.trim_end();
        if status.code() == Some(i32::from(REFUSED_EXIT_CODE)) {
            return Err(CompileError::Refused(stderr.to_owned()));
        }
        if is(Signal::XCPU) {
            return Err(limit("compiler_cpu_s_max", self.limits.cpu_s_max, "s of processor time"));
        }
        if is(Signal::XFSZ) {
            return Err(limit("compiler_code_bytes_max", self.limits.code_bytes_max, "bytes of machine code"));
        }
        // The message of Rust's allocator after the limit on address space refused an allocation.
        if is(Signal::ABORT) && stderr.contains("memory allocation of") {
            return Err(self.memory_limit());
        }
        tracing::error!(%status, stderr, "a compiler failed");
        match signal {
            _ if is(Signal::KILL) => {
                Err(CompileError::Failed("it was killed, as the kernel does when memory is short".to_owned()))
            }
            // The author has to change a component that makes the compiler crash, until the compiler is fixed.
            Some(_) => Err(CompileError::Refused(format!("the compiler crashed on the component ({status})"))),
            None => Err(CompileError::Failed(format!("{status}: {stderr}"))),
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
        let (code_file, refusal_file) = (code.try_clone().map_err(failed)?, refusal.try_clone().map_err(failed)?);
        let mut running = self.start(component, code_file, refusal_file).map_err(failed)?;
        let status = self.watch(&mut running, memory, stop)?;
        drop(running);
        self.explain(status, &mut refusal)?;
        let mut bytes = Vec::new();
        code.rewind().and_then(|()| code.read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes)
    }
}

impl Running {
    /// Resident memory of the child, in bytes. `None` after it has ended.
    fn resident_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * PAGE_BYTES)
    }

    /// Processor time of the child, in user and in kernel mode. `None` after it has ended.
    fn cpu_time(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The program's name is in parentheses and may contain spaces. User and kernel time are the 12th and 13th field
        // after it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * MS_PER_TICK))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both calls fail only if the child has already ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a thread that waits for the child's end and sends a message. The child's owner still has to reap it.
fn when_ended(child: &Child) -> io::Result<Receiver<()>> {
    let (ended, receiver) = mpsc::channel();
    let pid = pid(child);
    thread::Builder::new().name("compiler-end".into()).spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        // If the child was killed, the receiver may be gone already.
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
