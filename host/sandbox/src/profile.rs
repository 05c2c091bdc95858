//! How wasmtime is set up: the same answer on every machine, every call interruptible, and no part of WebAssembly that a
//! domain does not need.

use wasmtime::{Config, Engine, OptLevel};

/// Stack of one guest call, in bytes. A thread that runs guests needs this much and a little more.
pub(crate) const STACK_BYTES_MAX: usize = 512 * 1024;

pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    limit_calls(&mut config);
    make_deterministic(&mut config);
    switch_off_the_rest(&mut config);
    // Instances are made on demand rather than drawn from a pool: a pool is sized for the largest guest, and a slot that
    // served one tenant would serve another next. A fresh instance costs tens of microseconds, and is needed
    // once per worker and revision, not per call. Its pages come copy-on-write from one image.
    config.memory_init_cow(true);
    // A deploy takes one core at most; the others go on with commands.
    config.parallel_compilation(false);
    config.cranelift_opt_level(OptLevel::Speed);
    config
}

fn limit_calls(config: &mut Config) {
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES_MAX);
}

fn make_deterministic(config: &mut Config) {
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.shared_memory(false);
}

/// What is off cannot have a bug. Vectors too: they are deterministic, but a source of advisories, and rules count in units.
fn switch_off_the_rest(config: &mut Config) {
    config.concurrency_support(false);
    config.wasm_simd(false);
    config.wasm_tail_call(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_extended_const(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config.gc_support(false);
}
