//! GetComputerNameExW.
#![expect(unsafe_code, reason = "one call of Win32")]

use windows_sys::Win32::System::SystemInformation::{ComputerNamePhysicalDnsHostname, GetComputerNameExW};

/// The longest name that is asked for; DNS allows 63 characters.
const NAME_MAX: u32 = 256;

/// The name of this machine; never empty.
#[must_use]
pub fn name() -> String {
    let (mut name, mut length) = ([0_u16; NAME_MAX as usize], NAME_MAX);
    // SAFETY: the buffer has as many characters as `length` says; both are ours.
    let told = unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, name.as_mut_ptr(), &raw mut length) };
    let name = name.get(..length as usize).filter(|name| told != 0 && !name.is_empty());
    name.map_or_else(|| "localhost".to_owned(), String::from_utf16_lossy)
}
