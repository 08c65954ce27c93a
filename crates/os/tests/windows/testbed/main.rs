//! A test program for what only Windows has: a tiny guard under the service manager, windows, message loops, console
//! events. What both systems have is in `fixture-child`.

#[cfg(windows)]
#[path = "windows.rs"]
mod program;

#[cfg(windows)]
fn main() {
    program::main();
}

#[cfg(not(windows))]
fn main() {
    eprintln!("os-testbed: cannot do anything: it is for Windows");
    std::process::exit(2);
}
