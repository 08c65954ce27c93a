//! A few hundred worlds on every test run (`cargo xtask sim` lives through many more), and the way from a failure back to it.

use mainstay_sim::{Stats, journal, lines, replay, run};

const STEPS: u64 = 500;

#[test]
fn every_promise_holds_in_two_hundred_worlds_and_they_visit_every_hard_place() {
    let mut total = Stats::default();
    for seed in 0..200 {
        total += run(seed, STEPS).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
    assert_eq!(total.never(), Vec::<&str>::new(), "{total}");
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in [1, 77, u64::MAX] {
        assert_eq!(run(seed, STEPS).unwrap(), run(seed, STEPS).unwrap());
    }
}

#[test]
fn lines_replayed_from_their_text_are_the_same_life() {
    for seed in 0..20 {
        let lines = lines(seed, STEPS);
        let text = journal::write("nothing broke", &lines);
        let read = journal::read(&text).unwrap();
        assert_eq!(read, lines);
        assert_eq!(replay(&read).unwrap(), run(seed, STEPS).unwrap());
    }
}

#[test]
fn a_line_that_can_not_be_read_is_named() {
    let text = "1000 0 guard 1 1\n2000 0 bark\n";
    assert_eq!(journal::read(text).unwrap_err(), "line 2: cannot read \"2000 0 bark\": \"bark\" has another form");
    assert!(journal::read("1000 0").unwrap_err().contains("want MONO_NS WALL_NS WHAT"));
}
