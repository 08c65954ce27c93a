//! What a guard finds on the disk may be bad, and the disk may refuse.

use std::fs;
use std::time::Duration;

use mainstay_wire::record::What;

use crate::guard;
use crate::world::{World, face, try_wait};

#[test]
fn a_corrupt_journal_is_kept_aside_and_said() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    world.until_up("web");
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    let journal = world.layout.journal("web");
    let good = fs::read(&journal).unwrap();
    fs::write(&journal, [b"\0\xff\xfe garbage {\n", &good[..], b"{\"seq\": torn"].concat()).unwrap();
    world.up();
    let status = world.until_up("web");
    assert_eq!(status.run, 2, "what could be read is remembered");
    let said = world.until_record("web", "the fault", |what| matches!(what, What::Fault { .. }));
    let What::Fault { what } = said.what else { unreachable!() };
    assert!(what.contains("journal") && what.contains("kept as"), "{what}");
    let kept = fs::read_dir(world.layout.state_of("web")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_str().unwrap().contains("corrupt")).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(fs::read(&kept[0]).unwrap().starts_with(b"\0\xff\xfe garbage {\n"));
}

#[test]
fn a_power_loss_in_a_write_costs_that_write_only() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    world.until_up("web");
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    let journal = world.layout.journal("web");
    let good = fs::read(&journal).unwrap();
    fs::write(&journal, [&good[..], b"{\"seq\":99,\"ti"].concat()).unwrap();
    world.up();
    assert_eq!(world.until_up("web").run, 2);
    let fault = world.events("web").into_iter().find(|what| matches!(what, What::Fault { .. }));
    assert_eq!(fault, None, "nothing to complain of");
}

#[test]
fn stale_locks_and_sockets_are_in_nobodys_way() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    fs::create_dir_all(&world.layout.run).unwrap();
    // A pid that is somebody else's now: ours.
    let note = format!("{} 12345", std::process::id());
    fs::write(world.layout.lock("web"), &note).unwrap();
    fs::write(world.layout.up_lock(), &note).unwrap();
    fs::write(world.layout.run.join("web.sock"), "").unwrap();
    world.up();
    assert_eq!(world.until_up("web").run, 1);
}

/// A folder in the journal's place refuses everybody, root too.
#[test]
fn a_journal_that_can_not_be_opened_is_tried_until_it_can() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.fixture("other", &["forever"], "");
    world.up();
    let before = world.until_up("web");
    let other = world.until_up("other");
    let (journal, taken) = (world.layout.journal("web"), world.path("taken.ndjson"));
    fs::rename(&journal, &taken).unwrap();
    fs::create_dir(&journal).unwrap();
    world.guard("web").kill();
    world.wait("`up` tells of the trouble", || {
        world.up_said().contains("web: its guard ended at its start").then_some(())
    });
    fs::remove_dir(&journal).unwrap();
    fs::rename(&taken, &journal).unwrap();
    let (_, run) = world.healthy_after(server, before.run);
    assert_eq!(run, before.run + 1);
    assert_eq!(world.face("other"), Some(face(&other)));
}

/// Nobody starts this guard again: it must try by itself, also where an owner would give it up.
#[test]
fn a_guard_that_can_not_begin_yet_tries_until_it_can() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let journal = world.layout.journal("web");
    fs::create_dir_all(&journal).unwrap();
    guard::begin(&world, "web");
    assert!(try_wait(Duration::from_millis(300), || world.look("web")?.pid).is_none());
    fs::remove_dir(&journal).unwrap();
    world.until_up("web");
}

#[cfg(unix)]
mod full {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use mainstay_wire::control::Ask;
    use mainstay_wire::record::What;
    use mainstay_wire::status::State;

    use crate::guard;
    use crate::restart::TIRELESS;
    use crate::world::{World, http};

    /// A disk of 1 MiB; unmounted at the end.
    struct Disk(PathBuf);

    impl Disk {
        fn mount(at: &Path) -> Self {
            fs::create_dir_all(at).unwrap();
            let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).status().unwrap();
            assert!(done.success(), "a full disk needs root");
            Self(at.to_owned())
        }

        /// Leaves no byte free.
        fn fill(&self) -> PathBuf {
            let filler = self.0.join("filler");
            let mut file = File::create(&filler).unwrap();
            while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
            filler
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
        }
    }

    #[test]
    fn a_full_disk_delays_no_restart_and_loses_no_record() {
        let world = World::new();
        let server = world.server("web", &[], TIRELESS);
        let state = Disk::mount(&world.layout.state);
        let logs = Disk::mount(&world.layout.logs);
        guard::begin(&world, "web");
        let (_, mut run) = world.healthy(server);
        let fillers = [&state, &logs].map(Disk::fill);
        for _ in 0..10 {
            server.crash(3);
            (_, run) = world.healthy_after(server, run);
        }
        http(server.port, "/log?lines=1000").expect("the program is not blocked");
        assert_eq!(world.until_up("web").restarts, 10);
        fillers.iter().for_each(|filler| fs::remove_file(filler).unwrap());
        world.wait("the records that waited are written", || {
            let records = world.records("web");
            let spawned = records.iter().filter(|record| matches!(record.what, What::Spawned { .. })).count();
            (spawned == 11).then_some(())
        });
        world.wait("the log goes on", || {
            http(server.port, "/log?lines=1");
            let mended = |what: &What| matches!(what, What::Mended { what } if what.contains("output.log"));
            world.events("web").iter().any(mended).then_some(())
        });
        let records = world.records("web");
        assert!(records.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "no record is lost");
        let guard = world.guard("web");
        world.ask("web", Ask::Kill).unwrap().unwrap();
        world.until_state("web", State::Down);
        world.ask("web", Ask::Retire { in_order: false });
        guard.wait_until_gone("the guard");
    }
}
