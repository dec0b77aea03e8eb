//! The language's own needs: memory, panics, time, randomness, the environment.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env,
    hint::black_box,
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use guest::Random;

use super::{Outcome, Test, check};

pub(super) const TESTS: &[Test] = &[
    ("arguments_and_environment", arguments_and_environment),
    ("memory_grows_and_keeps_its_contents", memory_grows_and_keeps_its_contents),
    ("blocks_of_all_sizes_stay_whole", blocks_of_all_sizes_stay_whole),
    ("hash_maps_are_seeded", hash_maps_are_seeded),
    ("floats_print_and_parse", floats_print_and_parse),
    ("clocks_move_forward", clocks_move_forward),
    ("a_panic_is_caught_and_drops_run", a_panic_is_caught_and_drops_run),
    ("a_panic_crosses_many_frames", a_panic_crosses_many_frames),
    ("errors_have_texts", errors_have_texts),
];

fn arguments_and_environment() -> Outcome {
    check(env::args().count() >= 1, "no argument 0")?;
    check(env::consts::OS == "redox", "the system's name is not redox")?;
    check(env::var_os("STDTEST_NEVER_SET").is_none(), "an unset variable has a value")?;
    let exe = env::current_exe()?;
    check(exe.to_string_lossy().contains("stdtest"), "the program's own path is wrong")?;
    check(env::current_dir()?.is_absolute(), "the current directory is not absolute")
}

fn memory_grows_and_keeps_its_contents() -> Outcome {
    let mut words = Vec::new();
    for number in 0..200_000_u64 {
        words.push(number);
    }
    check(words.iter().sum::<u64>() == 19_999_900_000, "a growing vector lost something")?;

    let mut texts: Vec<String> = Vec::new();
    for round in 0..2_000_usize {
        texts.push("x".repeat(round));
        if round % 3 == 0 {
            texts.swap_remove(round / 4);
        }
    }
    check(texts.iter().all(|text| text.bytes().all(|byte| byte == b'x')), "a text changed")?;

    let zeroes = black_box(vec![0_u8; 3 << 20]);
    check(zeroes.iter().all(|byte| *byte == 0), "zeroed memory is not zero")?;
    let small: Vec<Box<[u8; 48]>> = (0..1000).map(|_| Box::new([0; 48])).collect();
    check(small.iter().all(|block| block.iter().all(|byte| *byte == 0)), "small zeroes")
}

/// A block with an alignment of its own.
#[repr(align(256))]
struct Aligned([u8; 300]);

fn blocks_of_all_sizes_stay_whole() -> Outcome {
    let mut random = Random(1);
    let mut size = |limit| usize::try_from(random.below(limit)).unwrap_or(0);
    let mut blocks: Vec<(u8, Vec<u8>)> = Vec::new();
    for round in 0..20_000_usize {
        let mark = u8::try_from(round & 0xff)?;
        // Mostly small ones; some that are mapped by themselves.
        let limit = if round % 50 == 0 { 400_000 } else { 2_000 };
        match round % 4 {
            0 | 1 => blocks.push((mark, vec![mark; size(limit)])),
            2 if blocks.len() > 200 => drop(blocks.swap_remove(size(200))),
            _ => {
                if let Some((mark, block)) = blocks.last_mut() {
                    block.resize(size(limit), *mark);
                    block.shrink_to_fit();
                }
            }
        }
    }
    let is_whole = |(mark, block): &(u8, Vec<u8>)| block.iter().all(|byte| byte == mark);
    check(blocks.iter().all(is_whole), "a block was overwritten")?;

    let aligned: Vec<Box<Aligned>> = (0..100).map(|_| Box::new(Aligned([9; 300]))).collect();
    let addresses = aligned.iter().map(|block| std::ptr::from_ref::<Aligned>(block).addr());
    check(addresses.into_iter().all(|address| address.is_multiple_of(256)), "not aligned")?;
    check(aligned.iter().all(|block| block.0 == [9; 300]), "an aligned block was overwritten")
}

fn hash_maps_are_seeded() -> Outcome {
    let squares: HashMap<u64, u64> = (0..1000).map(|n: u64| (n, n.wrapping_mul(n))).collect();
    check(squares.get(&31) == Some(&961), "a hash map lost an entry")?;
    let ordered: BTreeMap<_, _> = squares.iter().collect();
    check(ordered.len() == 1000, "a tree map lost an entry")?;
    // Two sets with one seed would list 64 numbers in the same order.
    let order = || (0..64).collect::<HashSet<u32>>().into_iter().collect::<Vec<_>>();
    check((0..8).any(|_| order() != order()), "hash maps have no seed")
}

fn floats_print_and_parse() -> Outcome {
    check(format!("{:.3}", 2.0_f64.sqrt()) == "1.414", "the root of two")?;
    check(format!("{:e}", 1.5e300) == "1.5e300", "a large number")?;
    check("0.1".parse::<f64>()? == 0.1, "a parsed number")?;
    let near = |one: f64, other: f64| (one - other).abs() < 1e-12;
    check(near(black_box(1.0_f64).exp().ln(), 1.0), "exp and ln")?;
    check(near(black_box(0.5_f64).sin().asin(), 0.5), "sin and asin")?;
    check(near(black_box(2.0_f64).powf(0.5), 2.0_f64.sqrt()), "powf")
}

fn clocks_move_forward() -> Outcome {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    check(start.elapsed() >= Duration::from_millis(20), "a sleep was too short")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    check(now > Duration::from_secs(1_600_000_000), "the wall clock is before 2020")
}

/// Sets its flag when dropped.
struct Flag<'a>(&'a mut bool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        *self.0 = true;
    }
}

/// Panics without a word on standard error.
fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    outcome.map_err(|cause| match cause.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => String::from("something else"),
    })
}

fn a_panic_is_caught_and_drops_run() -> Outcome {
    let mut dropped = false;
    let outcome = quietly(|| {
        let _flag = Flag(&mut dropped);
        panic::resume_unwind(Box::new(String::from("the cause")));
    });
    check(outcome == Err::<(), _>("the cause".into()), "the panic's cause was lost")?;
    check(dropped, "a value was not dropped on the way")
}

fn a_panic_crosses_many_frames() -> Outcome {
    fn deep(level: u32, dropped: &mut u32) -> u32 {
        if level == 0 {
            panic::resume_unwind(Box::new(String::from("bottom")));
        }
        let mut inner = 0;
        let result = quietly(|| deep(level.wrapping_sub(1), &mut inner));
        *dropped = inner.wrapping_add(1);
        match result {
            Ok(value) => black_box(value),
            Err(cause) => panic::resume_unwind(Box::new(cause)),
        }
    }
    let mut dropped = 0;
    let outcome = quietly(|| deep(100, &mut dropped));
    check(outcome == Err("bottom".into()), "the cause changed on its way up")?;
    check(dropped == 100, "a frame was skipped")
}

fn errors_have_texts() -> Outcome {
    let missing = std::fs::read("/there/is/no/such/file");
    let Err(error) = missing else { return Err("a missing file was read".into()) };
    check(error.kind() == std::io::ErrorKind::NotFound, "the kind is not NotFound")?;
    check(error.to_string().contains("No such file"), "the text is wrong")
}
