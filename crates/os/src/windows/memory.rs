//! Nothing to do: the process heap has no arenas per thread, and it returns freed pages by itself (Microsoft: "Heap
//! Functions"). Trimming the working set would only move the numbers.

/// See the module.
pub fn stay_small() {}

/// See the module.
pub fn give_back() {}
