//! The outline of a file: its imports and exports, and whether compiling it could take long. Reads the file once, in
//! linear time.

use wasmparser::{ComponentInstance, FunctionBody, Parser, Payload};

use super::passed_values::{PASSED_VALUES_MAX, PassedValues};
use crate::refusal::Refusal;

/// Maximum nesting of components, including the outermost one.
pub const COMPONENT_DEPTH_MAX: u64 = 4;
/// Maximum number of functions, imports, exports, globals, types, segments and the like together.
pub const DECLARATIONS_MAX: u64 = 50_000;
/// Maximum size of one function's code, in bytes. Some passes of the compiler take more than linear time.
pub const FUNCTION_BYTES_MAX: u64 = 256 * 1024;
/// Maximum number of local variables in all functions together. A million of them fit into three bytes of a file.
pub const LOCALS_MAX: u64 = 500_000;
/// Maximum number of instances that the outermost component creates. Inner components must not instantiate components,
/// because the numbers would multiply.
pub const INSTANTIATIONS_MAX: u64 = 256;

pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// Names of the outermost custom sections.
    pub(crate) custom_sections: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Component,
    Module,
}

#[derive(Default)]
struct Totals {
    declarations: u64,
    locals: u64,
    instantiations: u64,
    passed: PassedValues,
}

impl Shape {
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        let kind = match bytes {
            _ if Parser::is_component(bytes) => Kind::Component,
            _ if Parser::is_core_wasm(bytes) => Kind::Module,
            _ => return Err(Refusal::NotWasm),
        };
        let mut shape = Self { kind, imports: Vec::new(), exports: Vec::new(), custom_sections: Vec::new() };
        let mut totals = Totals::default();
        let mut depth = 0_u64;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            match &payload {
                Payload::Version { .. } => {
                    depth += 1;
                    within(depth, COMPONENT_DEPTH_MAX, "components inside each other")?;
                }
                Payload::End(_) => depth -= 1,
                _ => {}
            }
            totals.add(&payload, depth)?;
            if depth == 1 {
                shape.note_names(&payload).map_err(|error| invalid(&error))?;
            }
        }
        Ok(shape)
    }

    fn note_names(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    self.imports.push(import?.module.to_owned());
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    self.exports.push(export?.name.to_owned());
                }
            }
            Payload::CustomSection(section) => self.custom_sections.push(section.name().to_owned()),
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Totals {
    fn add(&mut self, payload: &Payload<'_>, depth: u64) -> Result<(), Refusal> {
        self.declarations += u64::from(declarations(payload));
        within(self.declarations, DECLARATIONS_MAX, "declarations")?;
        self.passed.note(payload).map_err(|error| invalid(&error))?;
        match payload {
            Payload::CodeSectionEntry(body) => self.add_function(body),
            Payload::InstanceSection(instances) => self.add_instantiations(u64::from(instances.count())),
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    let instance = instance.map_err(|error| invalid(&error))?;
                    if depth > 1 && matches!(instance, ComponentInstance::Instantiate { .. }) {
                        within(1, 0, "components instantiated by inner components")?;
                    }
                }
                self.add_instantiations(u64::from(instances.count()))
            }
            _ => Ok(()),
        }
    }

    fn add_function(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let range = body.range();
        within(range.end - range.start, FUNCTION_BYTES_MAX, "bytes of code in one function")?;
        let mut own = 0_u64;
        for locals in body.get_locals_reader().map_err(|error| invalid(&error))? {
            let (count, _) = locals.map_err(|error| invalid(&error))?;
            own = own.saturating_add(u64::from(count));
        }
        self.locals = self.locals.saturating_add(own);
        within(self.locals, LOCALS_MAX, "local variables")?;
        let passed = self.passed.add_function(body, own).map_err(|error| invalid(&error))?;
        within(
            passed,
            PASSED_VALUES_MAX,
            "values that pass between blocks and functions (blocks times local variables)",
        )
    }

    fn add_instantiations(&mut self, count: u64) -> Result<(), Refusal> {
        self.instantiations += count;
        within(self.instantiations, INSTANTIATIONS_MAX, "instances")
    }
}

fn declarations(payload: &Payload<'_>) -> u32 {
    match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => 1,
        _ => 0,
    }
}

fn within(found: u64, allowed: u64, what: &'static str) -> Result<(), Refusal> {
    if found > allowed { Err(Refusal::TooComplex { what, found, allowed }) } else { Ok(()) }
}

fn invalid(error: &wasmparser::Error) -> Refusal {
    Refusal::Invalid(error.to_string())
}
