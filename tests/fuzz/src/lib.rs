//! Tries what reads strangers' bytes with valid inputs that are changed at random, for a bounded time.
//!
//! It works on stable Rust. Instead of counting branches, it asks the target what kind of outcome an input had: one with
//! a new outcome is kept, and changed further. The same seed tries the same inputs in the same order.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};

/// No input gets longer, in bytes.
const LONGEST: usize = 16 * 1024;
/// No input may take longer, though others use the processor.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many inputs are kept.
const KEPT: usize = 4096;
/// Bytes that mean something to many parsers.
const ODD: &[&[u8]] = &[
    b"\0",
    b"\xFF",
    b"\x7F",
    b"\x80",
    b"\xC3",
    b"\xED\xA0\x80",
    "\u{feff}".as_bytes(),
    "\u{1e}".as_bytes(),
    b"-",
    b"+",
    b"0",
    b"1",
    b"00",
    b"-1",
    b"255",
    b"256",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b".",
    b"..",
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"/",
    b"%",
    b"%00",
    b"%ff",
    b"&",
    b"=",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"null",
    b"true",
    b"NaN",
];

/// Calls `target` with changed inputs for `FUZZ_SECONDS` (1 unless it is set), and panics where it panics or is slow.
///
/// `words` are parts of valid inputs that chance wouldn't find. What `target` returns is the kind of outcome.
pub fn fuzz<T: Hash>(name: &str, corpus: &[&[u8]], words: &[&str], target: impl Fn(&[u8]) -> T) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}: use a number")))
    };
    let seed = number("FUZZ_SEED").unwrap_or_else(rand::random);
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(1));
    let mut run = Run { name, seed, target, seen: HashSet::new(), kept: Vec::new() };
    for input in corpus {
        run.attempt(input);
        run.kept.push(input.to_vec());
    }
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).chain(ODD.iter().copied()).collect();
    let (mut rng, mut tried) = (StdRng::seed_from_u64(seed), 0_u64);
    while Instant::now() < end {
        let input = changed(&run.kept, &words, &mut rng);
        if run.attempt(&input) && run.kept.len() < KEPT {
            run.kept.push(input);
        }
        tried += 1;
    }
    assert!(tried > 0, "{name}: nothing was tried");
    println!("{name}: {tried} inputs, {} kinds of outcome, FUZZ_SEED={seed}", run.seen.len());
}

struct Run<'a, F> {
    name: &'a str,
    seed: u64,
    target: F,
    seen: HashSet<u64>,
    kept: Vec<Vec<u8>>,
}

impl<F> Run<'_, F> {
    /// Whether the outcome is a new one.
    fn attempt<T: Hash>(&mut self, input: &[u8]) -> bool
    where
        F: Fn(&[u8]) -> T,
    {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target)(input))).unwrap_or_else(|panic| {
            self.report(input);
            resume_unwind(panic)
        });
        if start.elapsed() > PATIENCE {
            self.report(input);
            panic!("{}: one input took {:?}", self.name, start.elapsed());
        }
        let mut hasher = DefaultHasher::new();
        outcome.hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    fn report(&self, input: &[u8]) {
        eprintln!("{}: FUZZ_SEED={} fails with b\"{}\"", self.name, self.seed, input.escape_ascii());
    }
}

fn changed(kept: &[Vec<u8>], words: &[&[u8]], rng: &mut StdRng) -> Vec<u8> {
    let mut input = pick(kept, rng).cloned().unwrap_or_default();
    for _ in 0..rng.random_range(1..=4) {
        change(&mut input, kept, words, rng);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, kept: &[Vec<u8>], words: &[&[u8]], rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    let end = (at + rng.random_range(0..=16)).min(input.len());
    match rng.random_range(0..9) {
        0 => input[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        1 => input[at..end].iter_mut().take(1).for_each(|byte| *byte = rng.random()),
        2 => drop(input.drain(at..end)),
        3 => drop(input.splice(at..at, pick(words, rng).into_iter().flat_map(|word| word.to_vec()))),
        4 => drop(input.splice(at..end, pick(words, rng).into_iter().flat_map(|word| word.to_vec()))),
        5 => input.truncate(at),
        6 => {
            // The beginning of one and the end of another.
            let other = pick(kept, rng).cloned().unwrap_or_default();
            let from = rng.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part.repeat(rng.random_range(1..=8)));
        }
        _ => {
            // Deep, or long.
            let word = pick(words, rng).map_or(&[][..], |word| word);
            input.splice(at..at, word.repeat(1 << rng.random_range(0..=11)));
        }
    }
    input.truncate(LONGEST);
}

fn pick<'a, T>(from: &'a [T], rng: &mut StdRng) -> Option<&'a T> {
    (!from.is_empty()).then(|| &from[rng.random_range(0..from.len())])
}

/// An outcome that is told apart by how it prints.
pub fn kind(outcome: &impl Debug) -> String {
    // Numbers and quoted parts differ with each input; what is around them tells the outcome.
    let mut kind = String::new();
    let mut quoted = false;
    for c in format!("{outcome:?}").chars() {
        quoted ^= c == '"';
        if !quoted && !c.is_ascii_digit() {
            kind.push(c);
        }
    }
    kind.truncate(kind.char_indices().nth(200).map_or(kind.len(), |(at, _)| at));
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_behind_several_conditions_is_found_and_told() {
        let found = catch_unwind(|| {
            fuzz("finds", &[b"hello"], &["open"], |input| {
                let (word, number) = (input.starts_with(b"open"), input.ends_with(b"256"));
                assert!(!(word && number), "both");
                (word, number)
            });
        });
        assert!(found.is_err());
    }

    #[test]
    fn the_same_seed_changes_inputs_in_the_same_way() {
        let inputs = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..50).map(|_| changed(&[b"hello".to_vec()], &[b"x"], &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }
}
