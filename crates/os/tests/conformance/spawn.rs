//! What a program finds when it starts.

use std::ffi::OsString;
use std::path::PathBuf;

use mainstay_os::tree::{Exit, MARK_VARIABLE, Place};

use crate::stage::{Stage, fixture, new_mark, under_wine, words};

/// Hard case 28, and what shells, batch files and C runtimes are known to trip over.
fn nasty_arguments() -> Vec<String> {
    let mut nasty: Vec<String> = [
        "plain",
        "",
        " ",
        "two words",
        "trailing\\",
        "trailing space and \\",
        "\\\\server\\share\\",
        "a\\\\b\\\\\\",
        "\"",
        "\"quoted\"",
        "a\"b c\"d",
        "\\\"",
        "ends with \\\"",
        "\\\\\"\\\\",
        "%PATH%",
        "%",
        "^",
        "^&|<>()!",
        "a&b",
        "$HOME ${HOME} $(id) `id`",
        "*",
        "?.rs",
        "~",
        "'single'",
        "--port=8080",
        "-",
        "/c",
        "@file",
        "tab\there",
        "line\nbreak",
        "ä字😀",
        "C:\\Prog Dir\\ä字😀\\a b.exe",
    ]
    .iter()
    .map(|&s| s.to_owned())
    .collect();
    nasty.push("x".repeat(20_000));
    nasty
}

#[tokio::test]
async fn argv_arrives_identical() {
    let stage = Stage::new();
    let nasty = nasty_arguments();
    let mut args = words(&["args"]);
    args.extend(nasty.iter().map(OsString::from));
    let mut run = stage.try_start(&fixture(), &args).unwrap();
    let expected: Vec<String> = nasty.iter().map(|arg| arg.as_bytes().escape_ascii().to_string()).collect();
    let found = run.finish().await;
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn argv_of_32_000_characters_arrives_identical() {
    let stage = Stage::new();
    let mut args = words(&["args"]);
    let length = fixture().as_os_str().len();
    let long = "0123456789".repeat(3200).chars().take(32_000 - length).collect::<String>();
    args.push(long.clone().into());
    let mut run = stage.try_start(&fixture(), &args).unwrap();
    assert_eq!(run.finish().await.trim_end(), long);
}

#[tokio::test]
async fn the_very_file_that_was_named_is_started() {
    let stage = Stage::new();
    // `…/Prog` is what a missing quote would start instead of `…/Prog Dir/ä字😀/a b`.
    let suffix = std::env::consts::EXE_SUFFIX;
    let folder = stage.folder.path().join("Prog Dir").join("ä字😀");
    std::fs::create_dir_all(&folder).unwrap();
    let named = folder.join(format!("a b{suffix}"));
    let decoy = stage.folder.path().join(format!("Prog{suffix}"));
    std::fs::write(&decoy, "not me").unwrap();
    place_fixture_at(&named);
    let mut run = stage.try_start(&named, &words(&["print", "me"])).unwrap();
    assert_eq!(run.finish().await.trim_end(), "me");
}

/// A copy; on Unix a link, because a file that was just written can be "busy" for a moment in another thread's fork.
fn place_fixture_at(path: &PathBuf) {
    #[cfg(unix)]
    std::os::unix::fs::symlink(fixture(), path).unwrap();
    #[cfg(windows)]
    std::fs::copy(fixture(), path).map(drop).unwrap();
}

#[tokio::test]
async fn the_environment_arrives_exactly() {
    let mut stage = Stage::new();
    let extra = [("ZULU", "last"), ("EMPTY", ""), ("SPACED", " a = b; \"c\" %PATH% $HOME "), ("UNICODE", "ä字😀")];
    // Windows programs can't start without what names the system's own folders.
    stage.env.retain(|(name, _)| cfg!(windows) && name.to_string_lossy().eq_ignore_ascii_case("SystemRoot"));
    stage.env.extend(extra.iter().map(|(n, v)| ((*n).into(), (*v).into())));
    let mut expected: Vec<String> = stage.env.iter().map(|(name, value)| line(name, value)).collect();
    let mark = new_mark();
    let env = stage.env.clone();
    let mut stage = Stage::at(Place::claim(&mark).unwrap());
    stage.env = env;
    expected.push(line(&MARK_VARIABLE.into(), &mark.into()));
    expected.sort();
    let printed = stage.start(&["environment"]).finish().await;
    // Wine adds these to every process.
    let of_wine = |line: &&str| ["WINE", "PROCESSOR_", "SystemDrive="].iter().any(|start| line.starts_with(start));
    let mut found: Vec<&str> = printed.lines().filter(|line| !(under_wine() && of_wine(line))).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

fn line(name: &OsString, value: &OsString) -> String {
    format!("{}={}", name.as_encoded_bytes().escape_ascii(), value.as_encoded_bytes().escape_ascii())
}

#[tokio::test]
async fn the_working_directory_is_the_one_asked_for() {
    let stage = Stage::new();
    let found = stage.start(&["cwd"]).finish().await;
    let expected = stage.folder.path().canonicalize().unwrap();
    let expected = expected.to_str().unwrap().trim_start_matches(r"\\?\").as_bytes().escape_ascii().to_string();
    assert_eq!(found.trim_end(), expected);
}

#[tokio::test]
async fn stdin_is_closed() {
    assert_eq!(Stage::new().start(&["stdin"]).finish().await.trim_end(), "stdin closed after 0 bytes");
}

/// Files, sockets and other trees' pipes that are open here, inheritable ones too, are not open there.
#[tokio::test]
async fn no_descriptor_is_leaked() {
    let stage = Stage::new();
    let secret = stage.path("secret.txt");
    let file = std::fs::File::create(&secret).unwrap();
    make_inheritable(&file);
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = stage.start(&["forever"]);
    let found = stage.start(&["fds"]).finish().await;
    assert!(!found.contains("secret.txt"), "{found}");
    #[cfg(unix)]
    {
        let numbers: Vec<&str> = found.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(numbers, ["0", "1", "2"], "{found}");
        assert!(found.starts_with("fd 0 /dev/null\n"), "{found}");
    }
    // Its stdout and stderr; another tree's would be more.
    assert_eq!(found.lines().filter(|line| line.contains("pipe")).count(), 2, "{found}");
    drop(other);
}

#[cfg(unix)]
fn make_inheritable(file: &std::fs::File) {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).unwrap();
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "std has no safe form")]
fn make_inheritable(file: &std::fs::File) {
    use std::os::windows::io::AsRawHandle;
    use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
    // SAFETY: an open handle of ours.
    let done = unsafe { SetHandleInformation(file.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
    assert_ne!(done, 0);
}

#[tokio::test]
async fn exit_codes_are_exact() {
    let stage = Stage::new();
    let codes: &[u32] =
        if cfg!(windows) { &[0, 1, 42, 255, 256, 259, 0xC000_0005, 0xC000_013A, u32::MAX] } else { &[0, 1, 42, 255] };
    for &code in codes {
        let mut run = stage.start(&["exit", &code.to_string()]);
        assert_eq!(run.exited().await, Exit::Code(code));
        assert_eq!(run.exited().await, Exit::Code(code), "asked again");
        run.emptied().await;
        assert!(run.tree.is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_signal_that_ended_it_is_told() {
    let stage = Stage::new();
    for (name, number) in [("SIGKILL", 9), ("SIGSEGV", 11), ("SIGTERM", 15), ("SIGABRT", 6)] {
        assert_eq!(stage.start(&["signal-self", name]).exited().await, Exit::Signal(number), "{name}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_leads_a_session_and_group_of_its_own() {
    for stage in Stage::each() {
        let mut run = stage.start(&["ids"]);
        let pid = run.tree.pid();
        assert_eq!(run.finish().await.trim_end(), format!("pid {pid} group {pid} session {pid}"));
    }
}

/// Rust ignores SIGPIPE; the program must not, nor inherit a mask.
#[cfg(unix)]
#[tokio::test]
async fn no_signal_is_blocked_or_ignored() {
    let stage = Stage::new();
    // By the shell itself: Debian's grep catches SIGSEGV and would be asked about itself.
    let script = "while read -r line; do case $line in SigBlk*|SigIgn*) echo $line;; esac; done </proc/self/status";
    let mut run = stage.try_start("/bin/sh".as_ref(), &words(&["-c", script])).unwrap();
    let found = run.finish().await;
    for line in found.lines() {
        let (name, bits) = line.split_once(": ").unwrap();
        // 32 and 33 belong to the C library, which can't be asked to change them.
        let bits = u64::from_str_radix(bits, 16).unwrap() & !(0b11 << 31);
        assert_eq!(bits, 0, "{name}");
    }
    assert_eq!(found.lines().count(), 2);
}
