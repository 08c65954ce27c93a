//! mallopt(3), malloc_trim(3): glibc's allocator trades memory for speed that a guard does not need.

/// One arena for all threads instead of one each: a thread's own takes tens of KiB that nobody else can use. Call it
/// before the first thread is started.
pub fn stay_small() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "mallopt is the C library's alone")]
    // SAFETY: two integers; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Returns to the system what was freed: what a start needed once and nothing after it will.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "malloc_trim is the C library's alone")]
    // SAFETY: one integer; the allocator locks itself.
    unsafe {
        libc::malloc_trim(0);
    }
}
