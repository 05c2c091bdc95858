//! Modules, as text, that take long to compile.

/// A module that compiles slowly: each function has `blocks` nested blocks, a jump out of each block, and `locals`
/// local variables. The compiler's time grows with the product of all three.
pub fn bomb(functions: usize, blocks: usize, locals: usize) -> String {
    format!("(module {})", branching(functions, blocks, locals))
}

/// A module like that of [`bomb`], and with `straight` more functions of long code without jumps. Each of them has
/// `steps` steps of about twelve bytes, whose results are all used at the end.
pub fn bomb_with_long_code(
    (functions, blocks, locals): (usize, usize, usize),
    straight: usize,
    steps: usize,
) -> String {
    const LIVE: usize = 100;
    let steps: String = (0..steps)
        .map(|step| {
            let (one, other) = (step % LIVE, (step * 7 + 1) % LIVE);
            format!("local.get {one} local.get {other} i64.mul i64.const 12345 i64.xor local.set {other} ")
        })
        .collect();
    let uses: String = (0..LIVE).map(|local| format!("local.get {local} global.set $used ")).collect();
    // The start values come from outside the function, so that the compiler cannot compute the results.
    let starts: String = (0..LIVE).map(|local| format!("global.get $used local.set {local} ")).collect();
    let long = format!("(func (local {}) {starts}{steps}{uses})", "i64 ".repeat(LIVE));
    let branching = branching(functions, blocks, locals);
    format!("(module (global $used (mut i64) (i64.const 1)) {branching}{})", long.repeat(straight))
}

fn branching(functions: usize, blocks: usize, locals: usize) -> String {
    let begin = "block ".repeat(blocks);
    let jumps: String = (0..blocks).map(|depth| format!("local.get {} br_if {depth} ", depth % locals)).collect();
    let sets: String =
        (0..locals.min(blocks)).map(|local| format!("local.get {local} local.set {} ", (local + 7) % locals)).collect();
    let end = "end ".repeat(blocks);
    format!("(func (local {}) {begin}{jumps}{sets}{end})", "i32 ".repeat(locals)).repeat(functions)
}
