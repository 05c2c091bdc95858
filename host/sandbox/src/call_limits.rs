//! The limits of one guest call: fuel, time, memory and the size of the answer. They are given to the store before the
//! call, and explain afterwards which of them ended it.

use std::collections::BTreeSet;

use polder_core::Limits;
use wasmtime::{FrameInfo, Store, Trap, WasmBacktrace};

use crate::call_error::CallErrorKind;
use crate::resources::{self, HANDLES_MAX};
use crate::store_data::StoreData;

/// Maximum number of bytes that one answer may make the host allocate, whatever the tenant's limits are.
const ANSWER_BYTES_CEILING: u64 = 256 * 1024 * 1024;
/// Bytes that an answer uses for each event, in addition to its payload.
const EVENT_OVERHEAD_BYTES: u64 = 512;
/// Bytes that an answer uses in addition to its events or its state.
const ANSWER_OVERHEAD_BYTES: u64 = 64 * 1024;

/// Beginnings of wasmtime's messages for two limits for which it has no error type. The self-check fails if wasmtime
/// changes them.
const ANSWER_TOO_LARGE: &str = "too much data is being copied between the host and the guest";
const TOO_MANY_HANDLES: &str = "cannot allocate another handle";

const TOO_DEEP: &str =
    "its calls are nested too deep for the stack: a function that calls itself without end does that";
/// Number of innermost calls that are compared.
const RECURSION_FRAMES: usize = 16;

/// The limits of each call.
#[derive(Clone, Copy)]
pub(crate) struct CallLimits {
    fuel_max: u64,
    ms_max: u64,
    memory_bytes_max: u64,
    answer_bytes_max: usize,
}

impl CallLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            fuel_max: limits.fuel_per_call_max,
            ms_max: limits.call_wall_ms_max,
            memory_bytes_max: resources::memory_bytes_max(limits),
            answer_bytes_max: answer_bytes_max(limits),
        }
    }

    pub(crate) fn grant(&self, store: &mut Store<StoreData>) {
        store.set_fuel(self.fuel_max).expect("the engine's profile has fuel on");
        // The next tick, and each one after it, checks the call's time.
        store.set_epoch_deadline(1);
        store.data_mut().call_time.begin();
    }

    pub(crate) fn explain(&self, error: &wasmtime::Error, data: &StoreData) -> CallErrorKind {
        if let Some(exhausted) = &data.resources.host_exhausted {
            return CallErrorKind::HostMemory(exhausted.clone());
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => CallErrorKind::OutOfFuel { fuel_max: self.fuel_max },
            Some(Trap::Interrupt) if data.call_time.was_interrupted() => CallErrorKind::Interrupted,
            Some(Trap::Interrupt) => CallErrorKind::OutOfTime { ms: self.ms_max },
            // A guest that is refused memory aborts with a trap that does not contain the reason.
            _ if data.resources.exhausted => CallErrorKind::OutOfMemory { bytes: self.memory_bytes_max },
            Some(Trap::StackOverflow) => CallErrorKind::Trapped(TOO_DEEP.into()),
            // A guest keeps part of its stack in its linear memory, which runs out first.
            Some(Trap::MemoryOutOfBounds) if is_recursion(error) => CallErrorKind::Trapped(TOO_DEEP.into()),
            Some(Trap::UnreachableCodeReached) => CallErrorKind::Trapped("it panicked or aborted".into()),
            Some(trap) => CallErrorKind::Trapped(trap.to_string()),
            None => self.explain_text(error.root_cause().to_string()),
        }
    }

    fn explain_text(&self, problem: String) -> CallErrorKind {
        if problem.starts_with(ANSWER_TOO_LARGE) {
            return CallErrorKind::AnswerTooLarge { bytes_max: self.answer_bytes_max };
        }
        if problem.starts_with(TOO_MANY_HANDLES) {
            return CallErrorKind::TooManyHandles { handles_max: HANDLES_MAX };
        }
        CallErrorKind::Misbehaved(problem)
    }
}

/// Whether the innermost calls are the same few functions over and over.
fn is_recursion(error: &wasmtime::Error) -> bool {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return false };
    let innermost: Vec<u32> = trace.frames().iter().take(RECURSION_FRAMES).map(FrameInfo::func_index).collect();
    let different: BTreeSet<&u32> = innermost.iter().collect();
    innermost.len() == RECURSION_FRAMES && different.len() <= RECURSION_FRAMES / 2
}

/// Size of the largest answer that could be valid, in bytes. The host does not even copy a larger one.
pub(crate) fn answer_bytes_max(limits: &Limits) -> usize {
    let event_bytes_max = limits.event_bytes_max.saturating_add(EVENT_OVERHEAD_BYTES);
    let decision_bytes_max = limits.events_per_command_max.saturating_mul(event_bytes_max);
    let bytes_max = decision_bytes_max.max(limits.state_bytes_max).saturating_add(ANSWER_OVERHEAD_BYTES);
    usize::try_from(bytes_max.min(ANSWER_BYTES_CEILING)).unwrap_or(usize::MAX)
}
