//! Other implementations of what the decoder does, for tests that compare values and benchmarks that compare speed.

#![forbid(unsafe_code)]
