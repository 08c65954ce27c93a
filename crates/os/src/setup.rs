//! Where the program itself is put for all users, and the system's PATH.
//!
//! | | Windows | Linux |
//! |---|---|---|
//! | folder | `%ProgramFiles%\mainstay` | `/usr/local/bin` |
//! | PATH | `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, type and order kept, then `WM_SETTINGCHANGE` | has it already |
//! | a running file | is renamed out of the way, then deleted at the next start of the machine at the latest | is unlinked by the rename |

pub use crate::sys::setup::{add_to_path, folder, remove_binary, remove_from_path, replace_binary};
