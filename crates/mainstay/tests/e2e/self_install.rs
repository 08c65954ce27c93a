//! `self install`, `update`, `uninstall`: the program in its place.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::{Said, World, fixture, mainstay, text_of};

/// A folder of the test's own for the program, and what runs from there.
struct Place {
    folder: PathBuf,
    running: Vec<Child>,
}

impl Place {
    fn new(world: &World) -> Self {
        Self { folder: world.path("bin"), running: Vec::new() }
    }

    fn binary(&self) -> PathBuf {
        self.folder.join(format!("mainstay{}", std::env::consts::EXE_SUFFIX))
    }

    fn own(&self, world: &World, words: &[&str]) -> Said {
        let folder = text_of(&self.folder);
        world.run(&[&["self"], words, &["--to", &folder]].concat())
    }

    /// Runs the program in its place until the test ends.
    fn run(&mut self, world: &World) {
        let mut command = Command::new(self.binary());
        command.arg("--home").arg(world.home()).args(["logs", "web", "-f"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running.push(command.spawn().unwrap());
    }

    #[track_caller]
    fn assert_running(&mut self) {
        for child in &mut self.running {
            assert!(child.try_wait().unwrap().is_none(), "it goes on with the old program");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The same program with a byte more: neither ELF nor PE minds.
fn another(world: &World) -> PathBuf {
    let path = world.path(&format!("other{}", std::env::consts::EXE_SUFFIX));
    fs::copy(mainstay(), &path).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\0").unwrap();
    path
}

fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

#[test]
fn the_program_is_installed_once_and_removed_alone() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let place = Place::new(&world);
    let said = place.own(&world, &["install"]).fine();
    assert!(said.contains("installed as"), "{said}");
    let said = place.own(&world, &["install"]).fine();
    assert!(said.contains("is in its place already"), "{said}");
    let said = world.run_command(Command::new(place.binary()).arg("version")).fine();
    assert!(said.starts_with("mainstay "), "{said}");
    let other = place.folder.join("other");
    fs::write(&other, "mine").unwrap();
    let said = place.own(&world, &["uninstall"]).fine();
    assert!(said.contains("specs, logs and journals stay"), "{said}");
    assert!(!place.binary().exists() && other.exists() && world.layout.spec("web").exists());
    let said = place.own(&world, &["uninstall"]).failed(1);
    assert!(said.contains("cannot uninstall mainstay: there is none at"), "{said}");
}

#[test]
fn a_program_that_runs_is_replaced_and_goes_on() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let mut place = Place::new(&world);
    place.own(&world, &["install"]).fine();
    place.run(&world);
    let other = another(&world);
    let said = place.own(&world, &["update", &text_of(&other)]).fine();
    assert!(said.contains("go on with the old one"), "{said}");
    assert_eq!(size(&place.binary()), size(&other));
    place.assert_running();
    world.run_command(Command::new(place.binary()).arg("version")).fine();
    let said = place.own(&world, &["update", &text_of(&other)]).fine();
    assert!(said.contains("already"), "{said}");
    place.own(&world, &["uninstall"]).fine();
    assert!(!place.binary().exists());
    place.assert_running();
}

#[test]
fn what_is_no_working_mainstay_never_takes_its_place() {
    let world = World::new();
    let place = Place::new(&world);
    let said = place.own(&world, &["update", &text_of(&mainstay())]).failed(1);
    assert!(said.contains("cannot update mainstay: there is none at"), "{said}");
    place.own(&world, &["install"]).fine();
    let before = size(&place.binary());
    let text = world.path(&format!("text{}", std::env::consts::EXE_SUFFIX));
    fs::write(&text, "no program").unwrap();
    for file in [text, fixture(), world.path("nothing")] {
        let said = place.own(&world, &["update", &text_of(&file)]).failed(1);
        assert!(said.contains("cannot use") && said.contains("as mainstay"), "{said}");
    }
    assert_eq!(size(&place.binary()), before);
}

/// A script tells any version; Windows would not start one as a program.
#[cfg(unix)]
#[test]
fn an_older_version_needs_a_word_more() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let place = Place::new(&world);
    place.own(&world, &["install"]).fine();
    let script = |name: &str, version: &str| {
        let path = world.path(name);
        fs::write(&path, format!("#!/bin/sh\necho mainstay {version}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        text_of(&path)
    };
    let (old, new) = (script("old", "0.0.1"), script("new", "99.0.0"));
    let said = place.own(&world, &["update", &old]).failed(1);
    assert!(said.contains("newer than 0.0.1") && said.contains("--downgrade"), "{said}");
    place.own(&world, &["update", &new]).fine();
    let said = place.own(&world, &["install"]).failed(1);
    assert!(said.contains("it is version 99.0.0"), "{said}");
    place.own(&world, &["update", &old, "--downgrade"]).fine();
    place.own(&world, &["install"]).fine();
    world.run_command(Command::new(place.binary()).arg("version")).fine();
}

/// One that hangs is ended.
#[cfg(unix)]
#[test]
fn a_program_that_tells_no_version_is_not_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let place = Place::new(&world);
    place.own(&world, &["install"]).fine();
    let path = world.path("hangs");
    fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let said = place.own(&world, &["update", &text_of(&path)]).failed(1);
    assert!(said.contains("it tells no version within 10 s"), "{said}");
}
