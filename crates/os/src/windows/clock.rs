//! The interrupt time and the wall clock.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation};
use windows_sys::Win32::Foundation::STATUS_INFO_LENGTH_MISMATCH;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::WindowsProgramming::SYSTEM_PROCESS_INFORMATION;

use super::{process, win32};

type InterruptTime = unsafe extern "system" fn(*mut u64);

/// Nanoseconds since boot, suspended time counted, and nanoseconds since 1970 (UTC).
///
/// The first is QueryInterruptTimePrecise (Windows 10: "includes time the system spends in sleep or hibernation"), or
/// GetTickCount64 in steps of 10 to 16 ms where that is missing. The second, by the standard library, is
/// GetSystemTimePreciseAsFileTime.
pub fn now() -> (u64, i64) {
    (since_boot(), since_1970())
}

fn since_boot() -> u64 {
    static FUNCTION: OnceLock<Option<InterruptTime>> = OnceLock::new();
    match FUNCTION.get_or_init(interrupt_time) {
        Some(function) => {
            let mut hundreds = 0;
            // SAFETY: the function's one argument is a place for its result.
            unsafe { function(&raw mut hundreds) };
            hundreds.saturating_mul(100)
        }
        // SAFETY: a plain call.
        None => unsafe { GetTickCount64() }.saturating_mul(1_000_000),
    }
}

fn since_1970() -> i64 {
    let nanoseconds = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => nanoseconds(after.as_nanos()),
        Err(before) => -nanoseconds(before.duration().as_nanos()),
    }
}

fn interrupt_time() -> Option<InterruptTime> {
    let library = win32::wide("kernelbase.dll").ok()?;
    // SAFETY: the name ends with a NUL; every process has this library for life. The type is that of the function's
    // page ("QueryInterruptTimePrecise function").
    unsafe {
        let function =
            GetProcAddress(GetModuleHandleW(library.as_ptr()), c"QueryInterruptTimePrecise".as_ptr().cast())?;
        Some(std::mem::transmute::<unsafe extern "system" fn() -> isize, InterruptTime>(function))
    }
}

/// The same text for the whole life of one boot: when the process "System" (pid 4) was made, which no change of the
/// clock alters, and which lives on through hibernation, as the interrupt time does. Where there is none (Wine), when
/// the first service manager was made.
pub fn boot_id() -> String {
    /// The kernel's own process.
    const SYSTEM_PID: u32 = 4;
    let stamp = match process::start_stamp(SYSTEM_PID) {
        Ok(stamp) if stamp != 0 => Some(stamp),
        // Not everybody may open it; the list of processes is for all.
        Ok(_) | Err(_) => made_at(|pid, _| pid == SYSTEM_PID).or_else(|| made_at(|_, name| name == "services.exe")),
    };
    stamp.map_or_else(|| "unknown".to_owned(), |stamp| format!("{stamp:016x}"))
}

/// When the earliest such process was made, from the system's list (Microsoft: "NtQuerySystemInformation function").
fn made_at(wanted: impl Fn(u32, &str) -> bool) -> Option<u64> {
    let list = list_of_processes()?;
    let bytes = size_of_val(list.as_slice());
    let mut offset = 0;
    let mut earliest: Option<u64> = None;
    while offset + size_of::<SYSTEM_PROCESS_INFORMATION>() <= bytes {
        // SAFETY: the whole structure lies within the list; read unaligned, because Wine's entries are not aligned.
        let entry = unsafe { list.as_ptr().byte_add(offset).cast::<SYSTEM_PROCESS_INFORMATION>().read_unaligned() };
        // WorkingSetPrivateSize, HardFaultCount, NumberOfThreadsHighWatermark, CycleTime, then CreateTime.
        // SAFETY: 24 bytes into `Reserved1`, which has 48.
        let made = unsafe { entry.Reserved1.as_ptr().byte_add(24).cast::<u64>().read_unaligned() };
        // SAFETY: the entry points to its name in the same list.
        let name = unsafe { name_of(&entry) };
        if wanted(entry.UniqueProcessId as usize as u32, &name) && made != 0 {
            earliest = Some(earliest.map_or(made, |known| known.min(made)));
        }
        if entry.NextEntryOffset == 0 {
            break;
        }
        offset += entry.NextEntryOffset as usize;
    }
    earliest
}

/// # Safety
/// The list that the entry is from lives.
unsafe fn name_of(entry: &SYSTEM_PROCESS_INFORMATION) -> String {
    let start = entry.ImageName.Buffer;
    if start.is_null() {
        return String::new();
    }
    // SAFETY: the length is in bytes, and all of them are in the list.
    let unit = |index: u16| unsafe { start.add(usize::from(index)).read_unaligned() };
    let units: Vec<u16> = (0..entry.ImageName.Length / 2).map(unit).collect();
    String::from_utf16_lossy(&units)
}

fn list_of_processes() -> Option<Vec<u64>> {
    /// 8 bytes each: 512 KiB at first, 64 MiB at most.
    const WORDS_MAX: usize = 8 << 20;
    let mut words = 64 << 10;
    while words <= WORDS_MAX {
        let mut list = vec![0_u64; words];
        let mut used = 0;
        // SAFETY: the buffer has the size given.
        let status = unsafe {
            NtQuerySystemInformation(
                SystemProcessInformation,
                list.as_mut_ptr().cast(),
                size_of_val(list.as_slice()) as u32,
                &raw mut used,
            )
        };
        match status {
            0 => return Some(list),
            STATUS_INFO_LENGTH_MISMATCH => words *= 2,
            _ => return None,
        }
    }
    None
}
