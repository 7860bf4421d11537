#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kinesis_logs_fuzz_targets::format_string::run(data));
