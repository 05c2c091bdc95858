//! Counts the values that code may pass from block to block and from function to function. The compiler's time and
//! memory grow with their number, and a few bytes of code can make millions of them: many blocks times many local
//! variables.

use wasmparser::{BlockType, FunctionBody, Operator, Payload, TypeRef};

/// Maximum for all functions together. Each jump counts its function's local variables plus the parameters and results
/// of its blocks; each call counts the parameters and results of the called function. The compiler handles some
/// millions per second.
pub const PASSED_VALUES_MAX: u64 = 40_000_000;

/// The facts about the current core module, and the sum for all modules.
#[derive(Default)]
pub(super) struct PassedValues {
    total: u64,
    /// Number of values that a function of each type takes, and that it takes and returns.
    types: Vec<Arity>,
    /// Types of the functions, imported ones first.
    functions: Vec<u32>,
    /// Index of the function whose code comes next.
    next: usize,
}

#[derive(Clone, Copy, Default)]
struct Arity {
    params: u64,
    all: u64,
}

impl PassedValues {
    /// Records types and functions. The version of a module starts a new module. Code is added with
    /// [`add_function`](Self::add_function).
    pub(super) fn note(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { .. } => *self = Self { total: self.total, ..Self::default() },
            Payload::TypeSection(types) => {
                for function in types.clone().into_iter_err_on_gc_types() {
                    let function = function?;
                    let (params, results) = (function.params().len() as u64, function.results().len() as u64);
                    self.types.push(Arity { params, all: params + results });
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    if let TypeRef::Func(index) = import?.ty {
                        self.functions.push(index);
                        self.next += 1;
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for index in functions.clone() {
                    self.functions.push(index?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a function's code, and returns the total of all functions. `locals` is the number of its local variables
    /// without its parameters.
    pub(super) fn add_function(&mut self, body: &FunctionBody<'_>, locals: u64) -> wasmparser::Result<u64> {
        let own = self.of_function(self.next);
        self.next += 1;
        let (mut jumps, mut arity_max) = (0_u64, own.all);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                    arity_max = arity_max.max(self.of_block(blockty));
                    jumps += 1;
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } | Operator::Return => jumps += 1,
                Operator::BrTable { targets } => jumps += u64::from(targets.len()) + 1,
                Operator::Call { function_index } => self.pass(self.of_function(function_index as usize).all),
                Operator::CallIndirect { type_index, .. } => self.pass(self.of_type(type_index).all),
                _ => {}
            }
        }
        let at_each_jump = own.params.saturating_add(locals).saturating_add(arity_max);
        self.pass(jumps.saturating_mul(at_each_jump));
        Ok(self.total)
    }

    fn pass(&mut self, values: u64) {
        self.total = self.total.saturating_add(values);
    }

    fn of_block(&self, block: BlockType) -> u64 {
        match block {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(index) => self.of_type(index).all,
        }
    }

    fn of_function(&self, index: usize) -> Arity {
        self.functions.get(index).map_or_else(Arity::default, |index| self.of_type(*index))
    }

    /// The arity of a type. An index that does not exist counts nothing; the compiler refuses it.
    fn of_type(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::Parser;

    use super::*;

    fn total(module: &str) -> u64 {
        let bytes = wat::parse_str(module).unwrap();
        let mut values = PassedValues::default();
        for payload in Parser::new(0).parse_all(&bytes) {
            let payload = payload.unwrap();
            values.note(&payload).unwrap();
            if let Payload::CodeSectionEntry(body) = &payload {
                let locals = body.get_locals_reader().unwrap().into_iter().map(|local| u64::from(local.unwrap().0));
                values.add_function(body, locals.sum()).unwrap();
            }
        }
        values.total
    }

    #[test]
    fn jumps_count_times_the_locals() {
        assert_eq!(total("(module (func (param i32) (local i64 i64)))"), 0, "no jump");
        // One parameter, two locals, and the parameter again because the function takes it: once for the block and once
        // for the jump.
        assert_eq!(total("(module (func (param i32) (local i64 i64) (block (br 0))))"), 2 * (3 + 1));
        let table = "(module (func (local i64) (block (br_table 0 0 0 0 (i32.const 1)))))";
        assert_eq!(total(table), 1 + 4);
    }

    #[test]
    fn blocks_and_calls_count_by_what_they_take_and_give() {
        let types = "(type $t (func (param i32 i32) (result i32 i32)))";
        let block = "(func (block (type $t) (i32.const 1) (i32.const 2)) (drop) (drop))";
        let block = block
            .replace("(block (type $t) (i32.const 1) (i32.const 2))", "(i32.const 1) (i32.const 2) (block (type $t))");
        assert_eq!(total(&format!("(module {types} {block})")), 4);
        let call = "(func $f (type $t) (local.get 0) (local.get 1)) (func (call $f (i32.const 1) (i32.const 2)) (drop) (drop))";
        assert_eq!(total(&format!("(module {types} {call})")), 4);
    }
}
