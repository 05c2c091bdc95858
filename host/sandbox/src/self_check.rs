//! Runs into each limit once at start-up, on the engine that will run guests. So a limit that a setting disabled, or
//! that this machine cannot enforce, is detected before a guest exploits it.

use polder_core::Limits;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Instance, Module, Store};

use crate::call_error::CallErrorKind;
use crate::call_limits::CallLimits;
use crate::live::new_store;
use crate::profile::STACK_BYTES_MAX;
use crate::resources::HANDLES_MAX;
use crate::sandbox_error::SandboxError;
use crate::store_data::StoreData;
use crate::watchdog::Watchdog;

/// A module that violates the limits on code. Each exported function runs into one of them.
const OFFENDER: &str = r#"(module
    (memory 1)
    (table 1 funcref)
    (global (export "depth") (mut i64) (i64.const 0))
    (func $deeper (export "recurse")
        (global.set 0 (i64.add (global.get 0) (i64.const 1))) (call $deeper))
    (func (export "loop") (loop $again (br $again)))
    (func (export "grow") (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then (unreachable))))
    (func (export "widen") (if (i32.eq (table.grow (ref.null func) (i32.const 200000)) (i32.const -1)) (then (unreachable))))
    (func (export "overstep") (drop (i32.load (i32.const 0x7fffffff))))
    (func (export "odd") (param f64) (result i64) (i64.reinterpret_f64 (f64.add (local.get 0) (f64.const 1)))))"#;

/// A component that violates the limits on values between guest and host, in the same way.
const TALKER: &str = r#"(component
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing))
    (core module $m
        (import "" "new" (func $new (param i32) (result i32)))
        (memory (export "memory") 16)
        (func (export "hoard") (loop $again (drop (call $new (i32.const 1))) (br $again)))
        (func (export "talk") (result i32) (i32.store (i32.const 4) (i32.const 1000000)) (i32.const 0)))
    (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
    (func (export "hoard") (canon lift (core func $i "hoard")))
    (func (export "talk") (result (list u8)) (canon lift (core func $i "talk") (memory (core memory $i "memory")))))"#;

const SMALL_FUEL: u64 = 100_000;
/// Fuel for some seconds of looping, so that a loop ends even if the watchdog does not work.
const LARGE_FUEL: u64 = 5_000_000_000;
const SHORT_MS: u64 = 20;
/// Longer than [`SMALL_FUEL`] lasts on any machine.
const LONG_MS: u64 = 10_000;
const MEMORY_BYTES: u64 = 1024 * 1024;
/// Minimum size of a call's frame, in bytes: the return address and the previous frame's address.
const FRAME_BYTES_MIN: usize = 16;
/// Used in place of [`HANDLES_MAX`], which takes longer to reach.
const HANDLES_TRIED: usize = 1_000;

/// A NaN with a payload, and the bits that every arithmetic operation must turn it into.
const ODD_NUMBER: f64 = f64::from_bits(0x7ff8_0000_dead_beef);
const CANONICAL_BITS: u64 = 0x7ff8_0000_0000_0000;

/// Creates a store with the limits that are checked.
type MakeStore = fn(&Engine, &Watchdog, &Limits) -> Store<StoreData>;

/// The limit that is checked, the function that violates it, the limits of the call, and the expected kind of error.
type Case = (&'static str, &'static str, Limits, fn(&CallErrorKind) -> bool);

struct Check<'a> {
    engine: &'a Engine,
    watchdog: &'a Watchdog,
    make_store: MakeStore,
}

pub(crate) fn run(engine: &Engine, watchdog: &Watchdog) -> Result<(), SandboxError> {
    Check { engine, watchdog, make_store: new_store }.run()
}

impl Check<'_> {
    fn run(&self) -> Result<(), SandboxError> {
        if (self.make_store)(self.engine, self.watchdog, &Limits::DEFAULT).set_fuel(1).is_err() {
            return Err(not_live("fuel", "the engine counts none"));
        }
        let module = wat::parse_str(OFFENDER).map_err(broken)?;
        self.code(&Module::new(self.engine, module).map_err(broken)?)?;
        let component = wat::parse_str(TALKER).map_err(broken)?;
        self.border(&Component::new(self.engine, component).map_err(broken)?)
    }

    fn code(&self, module: &Module) -> Result<(), SandboxError> {
        let fuel = limits(SMALL_FUEL, LONG_MS);
        let time = limits(LARGE_FUEL, SHORT_MS);
        let cases: [Case; 6] = [
            ("fuel", "loop", fuel, |kind| matches!(kind, CallErrorKind::OutOfFuel { .. })),
            ("time", "loop", time, |kind| matches!(kind, CallErrorKind::OutOfTime { .. })),
            ("memory", "grow", fuel, |kind| matches!(kind, CallErrorKind::OutOfMemory { .. })),
            ("tables", "widen", time, |kind| matches!(kind, CallErrorKind::Trapped(_))),
            ("stack", "recurse", time, |kind| matches!(kind, CallErrorKind::Trapped(_))),
            ("addresses", "overstep", fuel, |kind| matches!(kind, CallErrorKind::Trapped(_))),
        ];
        for (limit, function, limits, expected) in cases {
            let mut store = (self.make_store)(self.engine, self.watchdog, &limits);
            let budget = begin(&mut store, &limits);
            let instance = Instance::new(&mut store, module, &[]).map_err(broken)?;
            let offender = instance.get_typed_func::<(), ()>(&mut store, function).map_err(broken)?;
            let ended = offender.call(&mut store, ()).map_err(|error| budget.explain(&error, store.data()));
            judge(limit, ended, expected)?;
            if limit == "stack" {
                check_depth(&instance, &mut store)?;
            }
        }
        let mut store = (self.make_store)(self.engine, self.watchdog, &fuel);
        begin(&mut store, &fuel);
        let instance = Instance::new(&mut store, module, &[]).map_err(broken)?;
        let odd = instance.get_typed_func::<f64, u64>(&mut store, "odd").map_err(broken)?;
        match odd.call(&mut store, ODD_NUMBER).map_err(broken)? {
            CANONICAL_BITS => Ok(()),
            bits => Err(not_live("bits of NaN", &format!("{bits:016x}"))),
        }
    }

    fn border(&self, component: &Component) -> Result<(), SandboxError> {
        let little = Limits { event_bytes_max: 1, state_bytes_max: 1, ..limits(LARGE_FUEL, LONG_MS) };
        let linker = Linker::new(self.engine);
        let make = || -> Result<_, SandboxError> {
            let mut store = (self.make_store)(self.engine, self.watchdog, &little);
            let budget = begin(&mut store, &little);
            let instance = linker.instantiate(&mut store, component).map_err(broken)?;
            Ok((store, budget, instance))
        };
        let (mut store, budget, instance) = make()?;
        let talk = instance.get_typed_func::<(), (Vec<u8>,)>(&mut store, "talk").map_err(broken)?;
        let ended = talk.call(&mut store, ()).map(drop).map_err(|error| budget.explain(&error, store.data()));
        judge("answers", ended, |kind| matches!(kind, CallErrorKind::AnswerTooLarge { .. }))?;

        let (mut store, budget, instance) = make()?;
        if store.max_component_handles() > HANDLES_MAX {
            return Err(not_live("handles", &format!("{} are allowed", store.max_component_handles())));
        }
        store.set_max_component_handles(HANDLES_TRIED);
        let hoard = instance.get_typed_func::<(), ()>(&mut store, "hoard").map_err(broken)?;
        let ended = hoard.call(&mut store, ()).map_err(|error| budget.explain(&error, store.data()));
        judge("handles", ended, |kind| matches!(kind, CallErrorKind::TooManyHandles { .. }))
    }
}

fn begin(store: &mut Store<StoreData>, limits: &Limits) -> CallLimits {
    let budget = CallLimits::new(limits);
    budget.grant(store);
    budget
}

fn judge(
    limit: &'static str,
    ended: Result<(), CallErrorKind>,
    expected: fn(&CallErrorKind) -> bool,
) -> Result<(), SandboxError> {
    match ended {
        Err(kind) if expected(&kind) => Ok(()),
        Err(kind) => Err(not_live(limit, &kind.to_string())),
        Ok(()) => Err(not_live(limit, "nothing stopped the offender")),
    }
}

/// Checks that the stack did not end much later than it should.
fn check_depth(instance: &Instance, store: &mut Store<StoreData>) -> Result<(), SandboxError> {
    let depth =
        instance.get_global(&mut *store, "depth").and_then(|depth| depth.get(&mut *store).i64()).unwrap_or(i64::MAX);
    let depth_max = (STACK_BYTES_MAX / FRAME_BYTES_MIN) as i64;
    if depth <= depth_max { Ok(()) } else { Err(not_live("stack", &format!("calls were nested {depth} deep"))) }
}

fn limits(fuel_per_call_max: u64, call_wall_ms_max: u64) -> Limits {
    Limits { fuel_per_call_max, call_wall_ms_max, memory_bytes_max: MEMORY_BYTES, ..Limits::DEFAULT }
}

fn not_live(limit: &'static str, found: &str) -> SandboxError {
    SandboxError::NotLive { limit, found: found.to_owned() }
}

fn broken(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Engine(format!("the self-check cannot run: {error:#}"))
}

#[cfg(test)]
mod tests {
    use polder_core::MemoryBudget;
    use wasmtime::Config;

    use super::*;
    use crate::profile;
    use crate::resources::Resources;

    /// The result of the check, with a changed engine or changed stores.
    fn found(change: fn(&mut Config), make_store: MakeStore) -> Result<(), String> {
        let mut config = profile::config();
        change(&mut config);
        let engine = Engine::new(&config).unwrap();
        let watchdog = Watchdog::start(engine.clone()).unwrap();
        Check { engine: &engine, watchdog: &watchdog, make_store }.run().map_err(|error| error.to_string())
    }

    fn store_but(
        change: impl Fn(&mut Store<StoreData>),
        engine: &Engine,
        watchdog: &Watchdog,
        limits: &Limits,
    ) -> Store<StoreData> {
        let mut store = new_store(engine, watchdog, limits);
        change(&mut store);
        store
    }

    #[test]
    fn the_engine_in_use_passes() {
        assert_eq!(found(|_| {}, new_store), Ok(()));
    }

    #[test]
    fn an_engine_without_one_of_its_limits_is_refused() {
        type Change = fn(&mut Config);
        let cases: [(&str, Change); 3] = [
            ("the limit on fuel is not live", |config| {
                config.consume_fuel(false);
            }),
            ("the limit on time is not live on this engine: the domain's code used up its fuel", |config| {
                config.epoch_interruption(false);
            }),
            ("the limit on bits of NaN is not live", |config| {
                config.cranelift_nan_canonicalization(false);
            }),
        ];
        for (wanted, change) in cases {
            let message = found(change, new_store).unwrap_err();
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn stores_without_one_of_their_limits_are_refused() {
        let cases: [(&str, MakeStore); 4] = [
            ("the limit on memory is not live on this engine: nothing stopped", |engine, watchdog, limits| {
                let lenient =
                    Resources::new(&Limits { memory_bytes_max: u64::MAX, ..*limits }, &MemoryBudget::unlimited());
                let mut store = new_store(engine, watchdog, limits);
                store.data_mut().resources = lenient;
                store
            }),
            ("the limit on tables is not live on this engine: nothing stopped", |engine, watchdog, limits| {
                store_but(|store| store.data_mut().resources.table_elements_max = usize::MAX, engine, watchdog, limits)
            }),
            ("the limit on answers is not live on this engine: nothing stopped", |engine, watchdog, limits| {
                store_but(|store| store.set_hostcall_fuel(usize::MAX), engine, watchdog, limits)
            }),
            ("the limit on handles is not live on this engine: 500001 are allowed", |engine, watchdog, limits| {
                store_but(|store| store.set_max_component_handles(HANDLES_MAX + 1), engine, watchdog, limits)
            }),
        ];
        for (wanted, make_store) in cases {
            let message = found(|_| {}, make_store).unwrap_err();
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_stack_that_is_too_long_is_refused() {
        // The thread's stack must be as large as the engine's setting.
        let thread = std::thread::Builder::new().stack_size(64 * 1024 * 1024);
        let check = || {
            found(
                |config| {
                    config.max_wasm_stack(2 * 1024 * 1024);
                },
                new_store,
            )
        };
        let message = thread.spawn(check).unwrap().join().unwrap().unwrap_err();
        assert!(message.contains("the limit on stack is not live on this engine: calls were nested"), "{message}");
    }

    /// A watchdog for another engine is the same as none.
    #[test]
    fn a_dead_watchdog_is_found() {
        let engine = Engine::new(&profile::config()).unwrap();
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let message =
            Check { engine: &engine, watchdog: &watchdog, make_store: new_store }.run().unwrap_err().to_string();
        assert!(message.contains("the limit on time is not live"), "{message}");
    }
}
