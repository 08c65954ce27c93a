//! What only ntdll has, of every Windows that runs this program.

use std::ffi::c_void;

use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS};

/// `ProcessIoPriority` of the driver kit's ntddk.h; takes a ULONG (`IO_PRIORITY_HINT`).
pub(super) const PROCESS_IO_PRIORITY: i32 = 33;

#[link(name = "ntdll")]
unsafe extern "system" {
    pub(super) fn NtSetInformationProcess(process: HANDLE, class: i32, value: *const c_void, length: u32) -> NTSTATUS;
    pub(super) fn NtQueryInformationProcess(
        process: HANDLE,
        class: i32,
        value: *mut c_void,
        length: u32,
        used: *mut u32,
    ) -> NTSTATUS;
    pub(super) fn NtSuspendProcess(process: HANDLE) -> NTSTATUS;
    pub(super) fn NtResumeProcess(process: HANDLE) -> NTSTATUS;
}
