//! Programs that are replaced: by themselves, under the guard's feet; and orders from everywhere at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mainstay_wire::record::What;
use mainstay_wire::status::State;
use tempfile::NamedTempFile;

use crate::world::{Process, World, fixture, mainstay, text_of};

/// A copy of the test program with so many more bytes: another version of it.
fn version(at: &Path, more: usize) -> String {
    let mut bytes = fs::read(fixture()).unwrap();
    bytes.resize(bytes.len() + more, 0);
    let told = format!("exe {} bytes", bytes.len());
    fs::write(at, bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
    }
    told
}

fn program(world: &World, name: &str) -> PathBuf {
    world.path(&format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

#[test]
fn an_updater_stops_its_service_replaces_the_program_and_starts_it_again() {
    let mut world = World::new();
    let (app, new) = (program(&world, "app"), program(&world, "new"));
    let (old_version, new_version) = (version(&app, 0), version(&new, 1000));
    let [gate, taken, done] = ["gate", "taken", "done"].map(|name| world.text_path(name));
    let order =
        |verb: &str| format!("run \"'{}' --home '{}' {verb} app\"", text_of(&mainstay()), text_of(world.home()));
    // A program that runs, and the updater is a copy of it, can be renamed on Windows and not replaced.
    let paths = [&app, &program(&world, "old"), &new, &app].map(|path| text_of(path));
    let [from, old, next, to] = &paths;
    let replace = format!("move '{from}' '{old}'; move '{next}' '{to}'");
    let update = format!("move '{gate}' '{taken}'; {}; {replace}; {}; touch '{done}'", order("stop"), order("start"));
    world.program("app", &app, &["exe-size", "wait-for", &gate, "break-away", &update, "forever"], "breakaway = true");
    world.up();
    world.until_printed("app", &old_version);
    let (before, guard) = (world.until_up("app"), world.guard("app"));
    fs::write(&gate, "").unwrap();
    world.wait("the update is done", || Path::new(&done).is_file().then_some(()));
    let after = world.look("app").unwrap();
    assert_eq!((after.state, after.run, after.restarts), (State::Up, 2, 0), "{}", world.story());
    assert_ne!(after.pid, before.pid);
    assert_eq!(world.guard("app"), guard, "the guard lives through it");
    world.until_printed("app", &new_version);
    assert!(!new.exists() && Path::new(&taken).exists());
}

/// Windows refuses to write to a program that runs, and lets it be renamed; Linux lets its name be taken by another file.
#[test]
fn a_program_that_is_replaced_while_it_runs_is_the_new_one_at_the_next_restart() {
    let mut world = World::new();
    let (app, new) = (program(&world, "app"), program(&world, "new"));
    let (old_version, new_version) = (version(&app, 0), version(&new, 1000));
    world.program("app", &app, &["exe-size", "forever"], "");
    world.up();
    world.until_printed("app", &old_version);
    let before = world.until_up("app");
    fs::rename(&app, program(&world, "old")).unwrap();
    fs::rename(&new, &app).unwrap();
    assert_eq!(world.look("app").unwrap().pid, before.pid, "nothing happens by itself");
    Process::of(before.pid.unwrap()).kill();
    world.until_up_after("app", before.run);
    world.until_printed("app", &new_version);
    assert_eq!(world.printed("app"), [old_version, new_version]);
}

/// Between the two renames there is no program: an attempt that meets that moment fails and is made again.
#[test]
fn a_program_that_is_missing_for_a_moment_costs_a_failed_start_and_no_more() {
    let mut world = World::new();
    let (app, old) = (program(&world, "app"), program(&world, "old"));
    version(&app, 0);
    world.program("app", &app, &["exe-size", "forever"], "[restart]\ndelay = '200ms'\nquarantine = 'never'");
    world.up();
    let before = world.until_up("app");
    fs::rename(&app, &old).unwrap();
    Process::of(before.pid.unwrap()).kill();
    world.until_record("app", "a failed start", |what| matches!(what, What::SpawnFailed { .. }));
    fs::rename(&old, &app).unwrap();
    world.until_up_after("app", before.run);
}

/// Every run begins once and ends at most once, no two overlap, and the numbers grow.
#[track_caller]
fn assert_sane(world: &World, name: &str) {
    let records = world.records(name);
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]), "{numbers:?}");
    let (mut last, mut living) = (0, None);
    for record in &records {
        match &record.what {
            What::Spawned { run, .. } => {
                assert!(living.is_none() && *run > last, "run {run} beside {living:?}\n{}", world.story());
                (last, living) = (*run, Some(*run));
            }
            What::Exited { run, .. } => {
                assert_eq!(living.take(), Some(*run), "{}", world.story());
            }
            _ => {}
        }
    }
}

#[test]
fn fifty_orders_at_once_leave_one_run_and_a_sane_journal() {
    const CLIENTS: usize = 50;
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    world.until_up("web");
    let verbs = [["start", "--no-wait"], ["stop", "--no-wait"], ["restart", "--no-wait"], ["kill", "--no-wait"]];
    let complaints: Vec<NamedTempFile> = (0..CLIENTS).map(|_| NamedTempFile::new().unwrap()).collect();
    let begin = |(n, complaint): (usize, &NamedTempFile)| {
        let mut command = Command::new(mainstay());
        command.arg("--home").arg(world.home()).args(verbs[n % verbs.len()]).arg("web").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(complaint.reopen().unwrap()).spawn().unwrap()
    };
    let mut clients: Vec<Child> = complaints.iter().enumerate().map(begin).collect();
    for (client, complaint) in clients.iter_mut().zip(&complaints) {
        let ended = world.wait("an order is taken", || client.try_wait().unwrap());
        let said = fs::read_to_string(complaint.path()).unwrap();
        assert!(ended.success(), "{ended:?}: {said}\n{}", world.story());
    }
    world.run(&["start", "web"]).fine();
    let status = world.look("web").unwrap();
    assert_eq!(status.state, State::Up, "{}", world.story());
    assert!(Process::of(status.pid.unwrap()).lives());
    #[cfg(unix)]
    {
        let living: Vec<u32> = world.marked().iter().map(|process| process.pid).collect();
        assert_eq!(living, [status.pid.unwrap()]);
    }
    assert_sane(&world, "web");
    world.run(&["stop", "web"]).fine();
    world.assert_no_orphan();
    assert_sane(&world, "web");
}
