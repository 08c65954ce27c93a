//! What programs print, and what becomes of it when the disk or a person gets in the way.

use std::fs;
use std::path::PathBuf;

use mainstay_wire::status::State;

use crate::world::{Background, LIMIT, Server, World, http_within, quoted};

/// The go-server's counter: prints lines on request, at once.
fn print(server: Server, lines: usize) {
    let answer = http_within(LIMIT / 2, server.port, &format!("/log?lines={lines}"));
    assert_eq!(answer.expect("the program is not blocked").0, 200);
}

fn files(world: &World, name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(world.layout.logs_of(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn files_that_the_user_names_get_the_exact_bytes() {
    let mut world = World::new();
    let (out, err) = (world.path("out.bin"), world.path("err.log"));
    let all: String = (0..=255u8).map(|byte| format!("{byte:02x}")).collect();
    let commands = [
        "bytes",
        &all,
        "flood-bytes",
        "100000",
        "stderr",
        "ä字😀",
        "bytes",
        "0d0a00",
        "sleep",
        "700ms",
        "bytes",
        "ff",
        "exit",
        "0",
    ];
    let rest = format!(
        "[log]\nstdout = {}\nstderr = {}",
        quoted(&world.text_path("out.bin")),
        quoted(&world.text_path("err.log"))
    );
    world.fixture("binary", &commands, &rest);
    world.up();
    world.until_state("binary", State::Done);
    let mut wanted: Vec<u8> = (0..=255).collect();
    wanted.extend([b'x'; 100_000]);
    wanted.extend([13, 10, 0, 255]);
    assert!(fs::read(&out).unwrap() == wanted, "the bytes of stdout differ");
    assert_eq!(fs::read(&err).unwrap(), "ä字😀\n".as_bytes());

    // The managed log has them too: parts joined, full lines with their line feeds.
    let log = fs::read(world.layout.output("binary")).unwrap();
    let mut joined = Vec::new();
    for entry in log.split_inclusive(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = entry.splitn(4, |byte| *byte == b' ').collect();
        if fields[1] == b"stdout" {
            let text = if fields[2] == b"F" { fields[3] } else { &fields[3][..fields[3].len() - 1] };
            joined.extend_from_slice(text);
        }
    }
    joined.pop(); // The last line had no end; its entry has one.
    assert!(joined == wanted, "the bytes of the managed log differ");
}

#[test]
fn one_file_may_serve_both_streams() {
    let mut world = World::new();
    let path = world.path("both.log");
    let text = quoted(&world.text_path("both.log"));
    let commands = ["print", "one", "sleep", "200ms", "stderr", "two", "sleep", "200ms", "print", "three"];
    world.fixture("both", &commands, &format!("[log]\nmanaged = false\nstdout = {text}\nstderr = {text}"));
    world.up();
    world.until_state("both", State::Done);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    assert!(!world.layout.output("both").exists(), "managed = false");
}

#[test]
fn full_files_are_set_aside_and_the_oldest_go() {
    const LINES: usize = 20_000;
    let mut world = World::new();
    let rest = "[log.rotate]\nsize = \"64KiB\"\nkeep = 3";
    world.fixture("flood", &["flood", &LINES.to_string(), "exit", "0"], rest);
    world.up();
    world.until_state("flood", State::Done);
    let files = files(&world, "flood");
    assert_eq!(files.len(), 4, "{files:?}");
    for file in &files {
        // What was read at once is written at once: a file may be longer by one full pipe with the entries' heads.
        let size = fs::metadata(file).unwrap().len();
        assert!(size <= 3 * (64 << 10), "{file:?} has {size} bytes");
    }
    let numbers: Vec<usize> = world
        .printed("flood")
        .iter()
        .map(|line| line.strip_prefix("line ").unwrap().split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers.last(), Some(&(LINES - 1)));
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no line is lost between files");
}

#[test]
fn a_file_that_is_moved_or_deleted_is_begun_anew() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.up();
    world.healthy(server);
    let output = world.layout.output("web");
    print(server, 1);
    world.wait("the log begins", || fs::read_to_string(&output).ok().filter(|text| text.contains(" stdout F ")));

    fs::rename(&output, world.path("taken.log")).unwrap();
    world.wait("a new file is written", || {
        print(server, 1);
        fs::metadata(&output).ok().filter(|meta| meta.len() > 0).map(drop)
    });
    let taken = fs::read_to_string(world.path("taken.log")).unwrap();
    fs::remove_file(&output).unwrap();
    world.wait("a new file is written", || {
        print(server, 1);
        fs::metadata(&output).ok().filter(|meta| meta.len() > 0).map(drop)
    });
    assert_eq!(fs::read_to_string(world.path("taken.log")).unwrap(), taken, "who took it may keep it");
    assert_eq!(world.look("web").unwrap().run, 1);
}

#[cfg(unix)]
#[test]
fn a_renamed_folder_is_left_and_a_new_one_made() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.up();
    world.healthy(server);
    let (folder, output) = (world.layout.logs_of("web"), world.layout.output("web"));
    world.wait("the log begins", || output.exists().then_some(()));
    fs::rename(&folder, world.path("renamed")).unwrap();
    world.wait("a new folder is made", || {
        print(server, 1);
        output.exists().then_some(())
    });
    fs::remove_dir_all(&folder).unwrap();
    world.wait("again", || {
        print(server, 1);
        output.exists().then_some(())
    });
}

/// The texts of a server's numbered lines.
fn lines(said: &[serde_json::Value]) -> Vec<String> {
    said.iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn logs_are_read_over_a_rotation() {
    let mut world = World::new();
    world.fixture(
        "flood",
        &["flood", "300", "stderr", "the end", "forever"],
        "[log.rotate]\nsize = \"8KiB\"\nkeep = 100",
    );
    world.up();
    world.until_printed("flood", "the end");
    assert!(files(&world, "flood").len() > 2, "{:?}", files(&world, "flood"));
    let all = world.run(&["--json", "logs", "flood", "-n", "1000"]).json_lines();
    assert_eq!(all.len(), 301);
    for (number, entry) in all[..300].iter().enumerate() {
        assert!(entry["line"].as_str().unwrap().starts_with(&format!("line {number:09} ")), "{entry}");
        assert_eq!((entry["service"].as_str(), entry["stream"].as_str()), (Some("flood"), Some("stdout")));
    }
    let last = world.run(&["--json", "logs", "flood", "-n", "250"]).json_lines();
    assert_eq!(lines(&last), lines(&all[51..]));
    let stderr = world.run(&["--json", "logs", "flood", "--stream", "stderr"]).json_lines();
    assert_eq!(lines(&stderr), ["the end"]);
    assert_eq!(world.run(&["logs", "flood", "--since", "1h", "-n", "1000"]).fine().lines().count(), 301);
    assert_eq!(world.run(&["logs", "flood", "--since", "2099-01-01T00:00:00Z"]).fine(), "");
    let from = all[100]["time"].as_str().unwrap();
    let since = world.run(&["--json", "logs", "flood", "-n", "1000", "--since", from]).json_lines();
    assert!(lines(&since).ends_with(&lines(&all[100..])) && since.len() < 301, "{} lines", since.len());
    let text = world.run(&["logs", "flood", "-n", "1"]).fine();
    assert!(text.ends_with("  the end\n") && !text.contains('\x1b'), "{text:?}: no colour into a pipe");
}

#[test]
fn followed_logs_go_on_over_a_rotation() {
    const LINES: usize = 2000;
    let mut world = World::new();
    let gate = world.text_path("gate");
    let commands = ["print", "before", "wait-for", &gate, "flood", &LINES.to_string(), "print", "after", "forever"];
    world.fixture("flood", &commands, "[log.rotate]\nsize = \"64KiB\"\nkeep = 100");
    world.up();
    world.until_printed("flood", "before");
    let follower = Background::begin(&world, &["--json", "logs", "-f", "flood"]);
    world.wait("what was printed before is shown", || follower.said().contains("before").then_some(()));
    fs::write(&gate, "").unwrap();
    world.wait("what is printed then is shown", || follower.said().contains("\"after\"").then_some(()));
    assert!(files(&world, "flood").len() > 2, "{:?}", files(&world, "flood"));
    let said: Vec<serde_json::Value> =
        follower.said().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = lines(&said);
    assert_eq!(said.len(), LINES + 2);
    assert_eq!((said[0].as_str(), said[LINES + 1].as_str()), ("before", "after"));
    for (number, line) in said[1..=LINES].iter().enumerate() {
        assert!(line.starts_with(&format!("line {number:09} ")), "{line:?} is not line {number}");
    }
}

/// A file is begun anew every megabyte at full speed, while others read the files: as `tail -f` does, as a virus scanner does, and on Windows
/// one that forbids everybody to rename what it reads.
#[test]
fn rotation_goes_on_whoever_reads_the_files() {
    const LINES: usize = if cfg!(windows) { 60_000 } else { 300_000 };
    let mut world = World::new();
    let (folder, gate) = (world.path("logs"), world.text_path("gate"));
    fs::create_dir(&folder).unwrap();
    let current = folder.join("named.log");
    let text = quoted(current.to_str().unwrap());
    let rest = format!(
        "[restart]\non = 'never'\n[log]\nmanaged = false\nstdout = {text}\n[log.rotate]\nsize = '1MiB'\nkeep = 1000"
    );
    world.fixture("flood", &["wait-for", &gate, "flood", &LINES.to_string(), "exit", "0"], &rest);
    world.up();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let over = || is_over.load(std::sync::atomic::Ordering::SeqCst);
    let read = |path: &std::path::Path| {
        // What was renamed a moment ago is not there.
        mainstay_os::files::open_read(path)
            .map_or(0, |mut file| std::io::copy(&mut file, &mut std::io::sink()).unwrap_or(0))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over() {
                read(&current);
            }
        });
        scope.spawn(|| {
            while !over() {
                fs::read_dir(&folder).unwrap().flatten().for_each(|entry| {
                    read(&entry.path());
                });
            }
        });
        #[cfg(windows)]
        scope.spawn(|| {
            use std::os::windows::fs::OpenOptionsExt;
            const READ_AND_WRITE: u32 = 3; // FILE_SHARE_READ | FILE_SHARE_WRITE
            while !over() {
                // Nobody may rename it while this one reads.
                let held = fs::File::options().read(true).share_mode(READ_AND_WRITE).open(&current);
                if let Ok(mut file) = held {
                    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
                }
            }
        });
        fs::write(&gate, "").unwrap();
        world.until_state("flood", State::Done);
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // On Windows it waits 2 s for the one who forbids it: longer than the program prints.
    assert!(cfg!(windows) || files.len() > 2, "{files:?}");
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let numbers: Vec<usize> =
        text.lines().map(|line| line.strip_prefix("line ").unwrap()[..9].parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..LINES), "every byte, in order");
    assert_eq!(world.look("flood").unwrap().run, 1);
}

/// What no terminal can show is in the files to the byte, and shown as well as it can be.
#[test]
fn bytes_of_any_kind_are_kept_and_shown() {
    const LONG: usize = 10_000_000;
    let mut world = World::new();
    let utf16: String =
        "\u{feff}h\u{e9}\r\n".encode_utf16().flat_map(u16::to_le_bytes).map(|byte| format!("{byte:02x}")).collect();
    let commands = [
        "bytes",
        &utf16,
        "bytes",
        "0a610062ff0a",
        "flood-bytes",
        &LONG.to_string(),
        "bytes",
        "0a",
        "print",
        "end",
        "exit",
        "0",
    ];
    let rest = format!("[restart]\non = 'never'\n[log]\nstdout = {}", quoted(&world.text_path("named.log")));
    world.fixture("odd", &commands, &rest);
    world.up();
    world.until_state("odd", State::Done);
    let mut wanted: Vec<u8> = "\u{feff}h\u{e9}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    wanted.extend(b"\na\0b\xff\n");
    wanted.extend(vec![b'x'; LONG]);
    wanted.extend(b"\nend\n");
    let named = fs::read(world.path("named.log")).unwrap();
    assert!(named == wanted, "{} bytes, wanted {}", named.len(), wanted.len());
    let shown = lines(&world.run(&["--json", "logs", "odd", "-n", "1000"]).json_lines());
    assert_eq!(shown.last().map(String::as_str), Some("end"));
    assert!(shown.contains(&"a\0b\u{fffd}".to_owned()), "{:?}", shown.first());
    let long: Vec<&String> = shown.iter().filter(|line| line.starts_with("xxx")).collect();
    assert_eq!(long.iter().map(|line| line.len()).sum::<usize>(), LONG, "in pieces of at most 1 MiB and a part");
    assert!(long.iter().all(|line| line.len() <= (1 << 20) + (16 << 10)));
}
