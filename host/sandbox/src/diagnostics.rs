//! The interface that a guest writes its notes to.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmStr};

use crate::store_data::StoreData;

/// The only interface that a component may import.
pub(crate) const DIAGNOSTICS: &str = "polder:domain/diagnostics@0.2.0";

/// Provides `note` to every component that `linker` links.
pub(crate) fn link(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let note = |mut store: StoreContextMut<'_, StoreData>, (level, message): (u8, WasmStr)| {
        if store.data().notes.is_full() {
            // The text is not even read, so a guest that writes gigabytes of notes costs the host nothing.
            store.data_mut().notes.drop_one();
            return Ok(());
        }
        let message = message.to_str(&store)?.into_owned();
        store.data_mut().notes.keep(level, &message);
        Ok(())
    };
    linker.instance(DIAGNOSTICS)?.func_wrap("note", note)
}
