//! Tests of the machine as scripts: `check("start; spawned; +1s exit 1; emptied", expect![..])`. See `script.rs` for the words.

mod diehard;
mod life;
mod orders;
mod properties;
mod script;
mod specs;
mod stop;
