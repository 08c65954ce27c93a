//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS");
    let tools = std::env::var("CARGO_CFG_TARGET_ENV");
    if (system.as_deref(), tools.as_deref()) == (Ok("windows"), Ok("gnu")) {
        // Sections aligned to pages in the file too: then they are mapped, not copied, and shared by all guards.
        println!("cargo::rustc-link-arg-bins=-Wl,--file-alignment=4096");
    }
}
