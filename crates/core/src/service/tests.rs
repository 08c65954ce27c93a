//! Tests of the machine as scripts: `check("start; spawned; +1s exit 1; emptied", expect![..])`. See `script.rs` for the words.

mod diehard;
mod hooks;
mod kinds;
mod life;
mod orders;
mod pause;
mod properties;
mod script;
mod shutdown;
mod specs;
mod stop;
mod waiting;
mod watch;
