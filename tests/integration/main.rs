//! Polder's integration tests: one binary, one module per thing that is shown.
#![forbid(unsafe_code)]

mod readme;
