#![no_main]

#[path = "../../tests/src/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| parsers::features(data));
