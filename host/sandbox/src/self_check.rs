//! Trips the limits once at start-up, on the engine that will run guests: a limit that was configured away, or that this
//! machine cannot enforce, is found before a guest finds it.

use polder_core::Limits;
use wasmtime::{Engine, Instance, Module, Store};

use crate::SandboxError;
use crate::call_error::CallErrorKind;
use crate::live::{Budget, Inside, new_store};
use crate::watchdog::Watchdog;

/// Every limit as an exported function that runs into it.
const OFFENDER: &str = r#"(module
    (memory 1)
    (func $deeper (export "recurse") (call $deeper))
    (func (export "loop") (loop $again (br $again)))
    (func (export "grow") (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then (unreachable))))
    (func (export "overstep") (drop (i32.load (i32.const 0x7fffffff)))))"#;

const SMALL_FUEL: u64 = 100_000;
/// Some seconds of looping: a loop ends even where the watchdog is dead.
const LARGE_FUEL: u64 = 5_000_000_000;
const SHORT_MS: u64 = 20;
/// Longer than [`SMALL_FUEL`] lasts on any machine.
const LONG_MS: u64 = 10_000;
const MEMORY_BYTES: u64 = 1024 * 1024;

/// The limit that is tried, the offending function, the limits it runs under, and what must have stopped it.
type Case = (&'static str, &'static str, Limits, fn(&CallErrorKind) -> bool);

pub(crate) fn run(engine: &Engine, watchdog: &Watchdog) -> Result<(), SandboxError> {
    let broken = |error: String| SandboxError::Engine(format!("the self-check cannot run: {error}"));
    let bytes = wat::parse_str(OFFENDER).map_err(|error| broken(error.to_string()))?;
    let module = Module::new(engine, bytes).map_err(|error| broken(format!("{error:#}")))?;
    let fuel = limits(SMALL_FUEL, LONG_MS);
    let time = limits(LARGE_FUEL, SHORT_MS);
    let cases: [Case; 5] = [
        ("fuel", "loop", fuel, |kind| matches!(kind, CallErrorKind::OutOfFuel { .. })),
        ("time", "loop", time, |kind| matches!(kind, CallErrorKind::OutOfTime { .. })),
        ("memory", "grow", fuel, |kind| matches!(kind, CallErrorKind::OutOfMemory { .. })),
        ("stack", "recurse", time, |kind| matches!(kind, CallErrorKind::Trapped(_))),
        ("addresses", "overstep", fuel, |kind| matches!(kind, CallErrorKind::Trapped(_))),
    ];
    for (limit, function, limits, expected) in cases {
        match offend(engine, &module, watchdog, function, &limits) {
            Err(kind) if expected(&kind) => {}
            Err(kind) => return Err(SandboxError::NotLive { limit, found: kind.to_string() }),
            Ok(()) => return Err(SandboxError::NotLive { limit, found: "nothing stopped the offender".into() }),
        }
    }
    Ok(())
}

fn limits(fuel_per_call_max: u64, call_wall_ms_max: u64) -> Limits {
    Limits { fuel_per_call_max, call_wall_ms_max, memory_bytes_max: MEMORY_BYTES, ..Limits::DEFAULT }
}

fn offend(
    engine: &Engine,
    module: &Module,
    watchdog: &Watchdog,
    function: &str,
    limits: &Limits,
) -> Result<(), CallErrorKind> {
    let budget = Budget::new(limits, watchdog);
    let mut store: Store<Inside> = new_store(engine, limits);
    budget.grant(&mut store);
    watchdog.call_begins();
    Instance::new(&mut store, module, &[])
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, function))
        .and_then(|offender| offender.call(&mut store, ()))
        .map_err(|error| budget.explain(&error, store.data()))
}
