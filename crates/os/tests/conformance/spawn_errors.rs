//! A program that can't be started: a clear text, and nothing left behind.

use mainstay_os::tree::{Exit, Launch, SpawnError};

#[cfg(unix)]
use crate::stage::{LIMIT, Second, within};
use crate::stage::{Stage, fixture, words};

fn refusal(stage: &Stage, program: &str) -> SpawnError {
    match stage.try_start(program.as_ref(), &[]) {
        Err(error) => {
            assert!(stage.place_is_usable(), "the place is spoiled by {error}");
            error
        }
        Ok(_) => panic!("{program} was started"),
    }
}

impl Stage {
    /// A start after a failed one works.
    fn place_is_usable(&self) -> bool {
        self.try_start(&fixture(), &words(&["exit", "0"])).is_ok()
    }
}

#[tokio::test]
async fn a_missing_program() {
    let stage = Stage::new();
    let path = stage.path("no such program");
    let error = refusal(&stage, &path);
    assert!(matches!(&error, SpawnError::Program { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    assert!(error.to_string().starts_with(&format!("cannot start {path}: ")), "{error}");
}

#[tokio::test]
async fn a_directory_as_program() {
    let stage = Stage::new();
    let path = stage.path("folder");
    std::fs::create_dir(&path).unwrap();
    let error = refusal(&stage, &path);
    assert!(matches!(error, SpawnError::Program { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_program() {
    let stage = Stage::new();
    let path = stage.path(if cfg!(windows) { "text.exe" } else { "text" });
    std::fs::write(&path, "just words").unwrap();
    make_executable(&path);
    let error = refusal(&stage, &path);
    assert!(matches!(error, SpawnError::Program { .. }), "{error:?}");
}

fn make_executable(path: &str) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    #[cfg(windows)]
    let _ = path; // its name says so
}

#[tokio::test]
async fn a_missing_working_directory() {
    let stage = Stage::new();
    let directory = stage.folder.path().join("nowhere");
    let launch = Launch { directory: &directory, ..stage.plain() };
    let Err(error) = stage.place.spawn(&launch) else { panic!("it was started nowhere") };
    assert!(matches!(error, SpawnError::Directory { .. }), "{error:?}");
    let start = format!("cannot use {} as working directory: ", directory.display());
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[tokio::test]
async fn an_argument_with_a_nul() {
    let stage = Stage::new();
    let Err(error) = stage.try_start(&fixture(), &words(&["print", "a\0b"])) else { panic!("it was started") };
    assert!(matches!(error, SpawnError::Argument { .. }), "{error:?}");
}

#[tokio::test]
async fn a_command_line_that_is_too_long() {
    let stage = Stage::new();
    // Windows: 32,767 UTF-16 units; Linux: 128 KiB for one argument.
    let Err(error) = stage.try_start(&fixture(), &words(&["print", &"x".repeat(200_000)])) else {
        panic!("it was started")
    };
    assert!(matches!(error, SpawnError::Argument { .. }), "{error:?}");
    assert!(error.to_string().contains("long"), "{error}");
}

#[tokio::test]
async fn a_failed_start_leaves_no_process() {
    for stage in Stage::each() {
        refusal(&stage, &stage.path("missing"));
        let mut run = stage.start(&["exit", "5"]);
        assert_eq!(run.exited().await, Exit::Code(5));
        run.emptied().await;
        assert_eq!(run.tree.members(), []);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_nobody_may_execute() {
    let stage = Stage::new();
    let path = stage.path("plain");
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    let error = refusal(&stage, &path);
    assert!(
        matches!(&error, SpawnError::Program { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    );
    assert!(error.to_string().contains("no permission to execute"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_script_without_its_interpreter() {
    let stage = Stage::new();
    let path = stage.path("script");
    std::fs::write(&path, "#!/no/such/shell\n").unwrap();
    make_executable(&path);
    let error = refusal(&stage, &path);
    assert!(error.to_string().contains("interpreter"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn too_many_open_files() {
    let second = Second::start("without_descriptors", &[]);
    assert!(second.passed().await);
}

#[cfg(unix)]
#[tokio::test]
async fn too_many_processes() {
    let mut second = Second::start("without_processes", &[]);
    let said = within(LIMIT, "the refusal", second.line()).await;
    assert!(said.starts_with("cannot make a process for ") && said.contains("limit of processes"), "{said}");
}
