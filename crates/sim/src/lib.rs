//! The test world: a seeded fake operating system, lying probes, jumping clocks and impatient people around the real core.
//!
//! # Theory of operation
//!
//! `world` invents what happens and hands it, one [`journal::Line`] at a time, to a `Driver`, which owns the real
//! `Service`, carries it over guard crashes and asks the `checker` after every line whether a promise was broken. The effects go back to
//! the world, which answers them late, twice, or with a failure. Chance comes from the seed alone, so a seed is a whole bug
//! report. The lines without the world are one too: [`replay`] feeds them to a fresh driver, so a failure can be shortened by hand.

#![forbid(unsafe_code)]

mod chance;
mod checker;
mod driver;
pub mod journal;
mod os;
mod others;
mod specs;
mod stats;
mod world;

use std::fmt;

pub use stats::Stats;

use driver::Driver;
use journal::Line;

/// A broken promise, with everything needed to see it again.
#[derive(Debug)]
pub struct Failure {
    /// The world it happened in; `None` for a replayed file.
    pub seed: Option<u64>,
    /// Which promise, and how.
    pub why: String,
    /// All that happened, in order; the last line broke the promise.
    pub lines: Vec<Line>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.why)?;
        if let Some(seed) = self.seed {
            writeln!(f, "  repeat: cargo xtask sim --first {seed} --seeds 1 --steps {}", self.lines.len())?;
        }
        writeln!(f, "  the last of {} lines:", self.lines.len())?;
        let skip = self.lines.len().saturating_sub(LINES_SHOWN);
        self.lines.iter().skip(skip).try_for_each(|line| writeln!(f, "    {line}"))
    }
}

impl std::error::Error for Failure {}

/// So many of the last lines are shown; the file has them all.
const LINES_SHOWN: usize = 12;

/// Lives through `steps` events of the world that `seed` makes.
///
/// # Errors
///
/// The first broken promise.
pub fn run(seed: u64, steps: u64) -> Result<Stats, Box<Failure>> {
    world::World::new(seed).live(steps)
}

/// What happened in that world, for `journal::write`.
#[must_use]
pub fn lines(seed: u64, steps: u64) -> Vec<Line> {
    let mut world = world::World::new(seed);
    match world.live(steps) {
        Ok(_) => world.into_lines(),
        Err(failure) => failure.lines,
    }
}

/// Feeds the lines of a failure to a fresh machine.
///
/// # Errors
///
/// The first broken promise, as in the run that wrote the lines.
pub fn replay(lines: &[Line]) -> Result<Stats, Box<Failure>> {
    let mut driver = Driver::default();
    for (index, line) in lines.iter().enumerate() {
        if let Err(why) = driver.feed(line) {
            let lines = lines.iter().take(index + 1).cloned().collect();
            return Err(Box::new(Failure { seed: None, why, lines }));
        }
    }
    Ok(driver.stats)
}
