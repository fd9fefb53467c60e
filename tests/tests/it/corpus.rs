//! Runs every parser of files and texts from outside on the files of `tests/corpus` and on damaged copies of them. Inputs
//! that a fuzzer finds (`fuzz/`) are kept there.

use std::path::PathBuf;

use firebrick_tests::parsers::{PARSERS, Parser};

/// Damaged copies of each file.
const COPIES: u64 = 12;

fn files(parser: Parser) -> Vec<(PathBuf, Vec<u8>)> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let folder = PathBuf::from(corpus).join(parser.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

/// A number that follows from `seed` alone (the finalizer of splitmix64).
fn number(seed: u64) -> usize {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as usize
}

/// A copy that is cut off, or has some bytes flipped, set to an extreme, doubled or taken out.
fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if copy.is_empty() {
        return vec![seed as u8];
    }
    let draw = |of: u64, below: usize| number(seed * 64 + of) % below.max(1);
    match seed % 4 {
        0 => copy.truncate(draw(0, bytes.len())),
        1 => {
            for flip in 0..1 + draw(1, 4) as u64 {
                let at = draw(2 + flip, bytes.len());
                copy[at] ^= 1 << draw(10 + flip, 8);
            }
        }
        2 => {
            let at = draw(3, bytes.len());
            let end = (at + 1 + draw(4, 8)).min(bytes.len());
            copy[at..end].fill([0, 0xff, b'9', 0x80][draw(5, 4)]);
        }
        _ => {
            let (at, end) = (draw(6, bytes.len()), draw(7, bytes.len()));
            let part = bytes[at.min(end)..at.max(end)].to_vec();
            if seed.is_multiple_of(8) {
                copy.splice(at..at, part);
            } else {
                copy.drain(at.min(end)..at.max(end));
            }
        }
    }
    copy
}

fn survives(parser: Parser, bytes: &[u8]) -> bool {
    std::panic::catch_unwind(|| (parser.read)(bytes)).is_ok()
}

#[test]
fn no_parser_falls_over_what_is_in_the_corpus() {
    let mut fallen = Vec::new();
    for parser in PARSERS {
        let files = files(parser);
        assert!(
            files.len() >= 4,
            "tests/corpus/{} is nearly empty",
            parser.name
        );
        for (path, bytes) in files {
            assert!(bytes.len() < 100_000, "{} is large", path.display());
            let name = format!("{} on {}", parser.name, path.display());
            if !survives(parser, &bytes) {
                fallen.push(name);
                continue;
            }
            for copy in 0..COPIES {
                let seed = number(bytes.len() as u64) as u64 % 1_000_000 + copy;
                if !survives(parser, &damaged(&bytes, seed)) {
                    fallen.push(format!("{name}, damaged with {seed}"));
                }
            }
        }
    }
    assert!(
        fallen.is_empty(),
        "{}\nadd what broke them to tests/corpus",
        fallen.join("\n")
    );
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let fuzz = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"));
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for Parser { name, .. } in PARSERS {
        let target = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("parsers::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn deep_and_long_inputs_take_a_moment_and_no_stack() {
    let deep = |open: &str, depth: usize| open.repeat(depth);
    let wrapped = |name: &str, depth: usize| {
        format!("{name}(base=").repeat(depth) + "sgd" + &")".repeat(depth)
    };
    let mut texts: Vec<String> = [
        "a(",
        "[",
        "u([",
        "lookahead(base=",
        "warmup(1,then=",
        "sequence([",
    ]
    .map(|open| deep(open, 9_000))
    .into();
    // Built at all depths up to the limit: twice the work at each level would be 2^32 times in all.
    for name in ["lookahead", "centralize", "sam", "asam"] {
        texts.extend([20, 31, 32, 33].map(|depth| wrapped(name, depth)));
    }
    let scaled = "batch_scaled(64,then=".repeat(30) + "constant(0.1)" + &")".repeat(30);
    texts.push(scaled);
    let sequences = "sequence([".repeat(15) + "constant(0.1)" + &"],[])".repeat(15);
    texts.push(sequences);
    // A text in a text in a text.
    let mut quoted = "sgd".to_string();
    for _ in 0..10 {
        quoted = wrapped("lookahead", 28).replace("sgd", &format!("{quoted:?}"));
    }
    texts.push(quoted);
    for text in &texts {
        firebrick_tests::parsers::spec(text.as_bytes());
        firebrick_tests::parsers::recipe(format!("optimizer = {text:?}").as_bytes());
        firebrick_tests::parsers::recipe(format!("schedule = '{text}'").as_bytes());
    }
    let built = |text: &str| firebrick::optim::optimizer::build(&text.parse().unwrap());
    let built = built(&wrapped("lookahead", 31))
        .map(|built| built.spec.to_string())
        .unwrap();
    assert_eq!(built.matches("lookahead(").count(), 31, "{built}");
    assert!(built.contains("sgd"), "{built}");
}
