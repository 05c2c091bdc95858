//! The settings of wasmtime: the same result on every machine, every call interruptible, and no part of WebAssembly
//! that a domain does not need.

use wasmtime::{Config, Engine, OptLevel};

/// Stack size of one guest call, in bytes. A thread that runs guests needs this much and a little more.
pub(crate) const STACK_BYTES_MAX: usize = 512 * 1024;

pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    limit_calls(&mut config);
    make_deterministic(&mut config);
    switch_off_the_rest(&mut config);
    // Instances are created on demand and not taken from a pool: a pool is sized for the largest guest, and a slot
    // would serve one tenant after another. A new instance costs tens of microseconds, and is needed once per worker
    // and revision, not per call. Its memory pages are copy-on-write copies of one image.
    config.memory_init_cow(true);
    // A compilation uses at most one core, so that the others can handle commands.
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

/// Switches off every feature that a domain does not need, because it may have bugs. This includes SIMD: it is
/// deterministic, but a source of security advisories, and domain logic does not need it.
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
