//! The modes of the test program, by its first argument.

#![expect(unsafe_code, reason = "windows, threads and console events are made by hand here")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test program: whatever goes wrong shall be loud")]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mainstay_os::owner::{self, Owner, Report, Request};
use mainstay_os::pipe::Reader;
use mainstay_os::resources::Resources;
use mainstay_os::tree::{self, Exit, Launch, Method, Place, Stdin};
use mainstay_os::{clock, environment, manager};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::core::BOOL;

type Handle = *mut std::ffi::c_void;

/// MSG of user32, as far as nobody here looks inside.
type Message = [usize; 6];

#[link(name = "user32")]
unsafe extern "system" {
    fn CreateWindowExW(
        ex_style: u32,
        class: *const u16,
        name: *const u16,
        style: u32,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        parent: Handle,
        menu: Handle,
        instance: Handle,
        param: *const std::ffi::c_void,
    ) -> Handle;
    fn DispatchMessageW(message: *const Message) -> isize;
    fn GetMessageW(message: *mut Message, window: Handle, first: u32, last: u32) -> BOOL;
    fn IsWindow(window: Handle) -> BOOL;
    fn PeekMessageW(message: *mut Message, window: Handle, first: u32, last: u32, remove: u32) -> BOOL;
}

pub(crate) fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap_or("?")).collect();
    match words.as_slice() {
        ["args", ..] => args.iter().skip(1).for_each(|arg| println!("{arg:?}")),
        ["exit", code] => std::process::exit(number(code).cast_signed()),
        ["crash"] => crash(),
        ["ctrl-c"] => ctrl_c(),
        ["message-loop"] => message_loop(),
        ["windows", count] => windows(number(count)),
        ["__ask", method, pids @ ..] => ask(method, pids),
        ["guard", "--scm", name, mode @ ..] => service(name, mode),
        ["hold", method, program, rest @ ..] => hold(method, program, rest),
        [verb @ ("start" | "stop"), name] => order(verb, name),
        _ => panic!("unknown mode {words:?}"),
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("stdout is read");
}

/// An access violation, exit code 0xC0000005.
fn crash() {
    // SAFETY: none: this is the fault that the test wants.
    unsafe { ptr::null_mut::<u32>().write_volatile(1) };
}

static EVENTS: AtomicU32 = AtomicU32::new(0);

unsafe extern "system" fn on_event(event: u32) -> BOOL {
    say(&format!("event {event} at {}", clock::now().0));
    EVENTS.fetch_add(1, Ordering::SeqCst);
    1
}

/// Tells of every console event; 300 ms after the first it says good-bye in many words and exits with how many it saw.
fn ctrl_c() {
    // SAFETY: the handler is a function of this program.
    assert!(unsafe { SetConsoleCtrlHandler(Some(on_event), 1) } != 0, "no handler");
    say("ready");
    while EVENTS.load(Ordering::SeqCst) == 0 {
        pause(5);
    }
    pause(300);
    for line in 0..2000 {
        println!("good-bye {line}");
    }
    std::process::exit(EVENTS.load(Ordering::SeqCst).cast_signed());
}

#[expect(clippy::disallowed_methods, reason = "a test program that takes its time")]
fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A thread with a message queue and no window; exits with 40 when WM_QUIT comes.
fn message_loop() {
    let mut message: Message = [0; 6];
    // SAFETY: the message lives; peeking makes the queue.
    unsafe { PeekMessageW(&raw mut message, ptr::null_mut(), 0, 0, 0) };
    say("ready");
    // SAFETY: as above.
    while unsafe { GetMessageW(&raw mut message, ptr::null_mut(), 0, 0) } > 0 {}
    std::process::exit(40);
}

/// So many top-level windows; exits with 41 when each has been closed.
fn windows(count: u32) {
    let class: Vec<u16> = "Static\0".encode_utf16().collect();
    let mut open: Vec<Handle> = Vec::new();
    for _ in 0..count {
        // SAFETY: the texts end with a NUL. WS_OVERLAPPEDWINDOW | WS_VISIBLE.
        let window = unsafe {
            CreateWindowExW(
                0,
                class.as_ptr(),
                class.as_ptr(),
                0x10CF_0000,
                10,
                10,
                100,
                100,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            )
        };
        if window.is_null() {
            say(&format!("no windows here: {}", std::io::Error::last_os_error()));
            std::process::exit(42);
        }
        open.push(window);
    }
    say("ready");
    let mut message: Message = [0; 6];
    while !open.is_empty() {
        // SAFETY: the message lives.
        unsafe {
            if GetMessageW(&raw mut message, ptr::null_mut(), 0, 0) <= 0 {
                std::process::exit(43);
            }
            DispatchMessageW(&raw const message);
        }
        // SAFETY: a plain question.
        open.retain(|&window| unsafe { IsWindow(window) } != 0);
    }
    std::process::exit(41);
}

/// The helper, as `mainstay __ask` is.
fn ask(method: &str, pids: &[&str]) {
    let method = match method {
        "close-windows" => Method::CloseWindows,
        "quit-threads" => Method::QuitThreads,
        other => panic!("unknown method {other}"),
    };
    let pids: Vec<u32> = pids.iter().map(|pid| number(pid)).collect();
    if let Err(error) = tree::run_ask_helper(method, &pids) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// Orders the service manager from a process of its own: Wine's answers "invalid handle" to two threads of one.
fn order(verb: &str, name: &str) {
    let manager = manager::detect().expect("Windows has one");
    let limit = Duration::from_secs(30);
    if verb == "start" { manager.start(name, limit) } else { manager.stop(name, limit) }.expect("done");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A guard that holds `PROGRAM ARGS…`, asks it to stop by `method` when it has said "ready", and says how it ended.
/// Method `none`: says its pid, and holds it until the guard itself is ended.
fn hold(method: &str, program: &str, args: &[&str]) {
    let method = match method {
        "close-windows" => Some(Method::CloseWindows),
        "quit-threads" => Some(Method::QuitThreads),
        "none" => None,
        other => panic!("unknown method {other:?}"),
    };
    tree::prepare_guard().expect("prepared");
    runtime().block_on(async {
        let place = Place::claim("testbed").expect("a place");
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let directory = std::env::current_dir().expect("a directory");
        let env = environment::inherited();
        let program = Path::new(program);
        let launch = Launch {
            program,
            args: &args,
            directory: &directory,
            env: &env,
            breakaway: false,
            stdin: Stdin::Null,
            run_as: None,
            resources: &Resources::default(),
        };
        let (mut tree, output) = place.spawn(&launch).expect("spawned");
        let mut stdout = Reader::open(output.stdout).expect("opened");
        let read = stdout.read(&mut [0; 5]).await.expect("read");
        assert!(read > 0, "it ended before it was ready");
        match method {
            Some(method) => tree.ask(method).expect("asked"),
            None => say(&tree.pid().to_string()),
        }
        say(&format!("{:?}", tree.exited().await));
    });
}

/// A service. Modes: `slow MILLISECONDS` (that long to start and to stop), `give-up CODE`, none.
fn service(name: &str, mode: &[&str]) {
    let log = PathBuf::from(std::env::var_os("ProgramData").expect("set")).join(format!("{name}.log"));
    let mode: Vec<String> = mode.iter().map(|&word| word.to_owned()).collect();
    let code = owner::run(name, true, move |owner| {
        tree::prepare_guard().expect("prepared");
        runtime().block_on(serve(owner, &mode, &log))
    });
    match code {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            println!("{error}");
            std::process::exit(3);
        }
    }
}

async fn serve(mut owner: Owner, mode: &[String], log: &Path) -> i32 {
    let words: Vec<&str> = mode.iter().map(String::as_str).collect();
    let (slow, give_up) = match words.as_slice() {
        ["slow", milliseconds] => (u64::from(number(milliseconds)), None),
        ["give-up", code] => (0, Some(number(code))),
        [] => (0, None),
        other => panic!("unknown mode {other:?}"),
    };
    let slow = Duration::from_millis(slow);
    owner.report(Report::Starting, slow, "starting");
    pulsing(&mut owner, slow).await;
    owner.report(Report::Up, Duration::ZERO, "up");
    if let Some(code) = give_up {
        owner.report(Report::Stopped { exit: Some(Exit::Code(code)), failed: true }, Duration::ZERO, "gave up");
        return 78;
    }
    let mut requests = Vec::new();
    loop {
        let request = owner.request().await;
        requests.push(format!("{request:?}"));
        match request {
            Request::Pause => owner.report(Report::Paused, Duration::ZERO, "paused"),
            Request::Continue => owner.report(Report::Up, Duration::ZERO, "up"),
            // A guard would read its spec again.
            Request::Reload => {}
            Request::Stop | Request::Shutdown => break,
        }
        std::fs::write(log, requests.join(" ")).expect("written");
    }
    owner.report(Report::Stopping, slow, "stopping");
    pulsing(&mut owner, slow).await;
    std::fs::write(log, requests.join(" ")).expect("written");
    owner.report(Report::Stopped { exit: Some(Exit::Code(0)), failed: false }, Duration::ZERO, "stopped");
    0
}

async fn pulsing(owner: &mut Owner, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        let every = owner.pulse_every().expect("a pending state wants pulses");
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + every)).await;
        owner.pulse();
    }
}
