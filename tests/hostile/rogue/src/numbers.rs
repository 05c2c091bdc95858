//! Arithmetic whose result the WebAssembly standard leaves open: the bits of a NaN.

use std::hint::black_box;

/// The bits of the results, as JSON.
pub(crate) fn found() -> Vec<u8> {
    let (zero, one, infinite) = (black_box(0.0_f64), black_box(1.0_f64), black_box(f64::INFINITY));
    let odd = black_box(f64::from_bits(0x7ff4_dead_beef_0001));
    let odd_32 = black_box(f32::from_bits(0xffa1_2345));
    let wide = [
        zero / zero,
        -(zero / zero) + one,
        infinite - infinite,
        zero * infinite,
        (-one).sqrt(),
        odd + one,
        one * odd,
        odd.sqrt(),
        odd.floor(),
        f64::from(odd_32) + one,
    ];
    let narrow = [odd_32 + 1.0, odd_32 * odd_32, black_box(0.0_f32) / black_box(0.0), odd as f32 + 1.0];
    let mut bits: Vec<String> =
        wide.iter().map(|number| format!("\"{:016x}\"", black_box(*number).to_bits())).collect();
    bits.extend(narrow.iter().map(|number| format!("\"{:08x}\"", black_box(*number).to_bits())));
    format!("[{}]", bits.join(",")).into_bytes()
}
