//! Tables of the quarantine window and the stay.

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Mono {
    Mono::default().after(s(seconds))
}

const LIMIT: Quarantine = Quarantine { restarts: 3, within: s(300), release_after: Some(s(60)) };

#[test]
fn full_at_the_limit_and_again_open_when_the_oldest_is_out_of_the_window() {
    let mut window = Window::default();
    for second in [0, 10, 20] {
        assert!(!window.is_full(LIMIT, at(second)));
        window.push(at(second));
    }
    assert!(window.is_full(LIMIT, at(299)));
    assert!(!window.is_full(LIMIT, at(300)), "an age of exactly `within` is out");
    assert_eq!(window.len(), 2);
}

#[test]
fn no_restart_at_all_is_a_limit_too() {
    assert!(Window::default().is_full(Quarantine { restarts: 0, ..LIMIT }, at(0)));
}

#[test]
fn a_predecessors_restarts_count_even_if_they_are_older_than_the_boot() {
    let mut window = Window::from_ages(&[s(290), s(200), s(100)], at(5));
    assert!(window.is_full(LIMIT, at(5)));
    assert_eq!(window.ages(at(8)), [s(293), s(203), s(103)]);
    assert!(!window.is_full(LIMIT, at(15)), "the first is 300 s old then");
}

#[test]
fn the_window_is_bounded() {
    let mut window = Window::from_ages(&vec![s(1); RESTARTS_MAX as usize + 5], at(0));
    assert_eq!(window.len(), RESTARTS_MAX);
    window.push(at(1));
    assert_eq!(window.len(), RESTARTS_MAX);
    assert!(window.is_full(Quarantine { restarts: u32::MAX, ..LIMIT }, at(1)));
}

#[test]
fn a_stay_ends_in_time_also_under_a_new_guard() {
    let stay = Stay::begin(LIMIT, at(100));
    assert_eq!((stay.until, stay.served(at(130))), (Some(at(160)), s(30)));
    let resumed = Stay::resume(LIMIT, s(30), at(2));
    assert_eq!((resumed.until, resumed.served(at(12))), (Some(at(32)), s(40)));
    let over = Stay::resume(LIMIT, s(90), at(2));
    assert_eq!(over.until, Some(at(2)));
    assert_eq!(Stay::begin(Quarantine { release_after: None, ..LIMIT }, at(0)).until, None);
}
