//! Who a program becomes between fork and exec: credentials(7), capabilities(7).
//!
//! Everything is looked up before the fork; the child makes system calls alone. Never the C library's setresuid(3) and its
//! like: they change *every* thread of the process, by signals, and the child still shares our memory.
#![expect(unsafe_code, reason = "what a child calls before its exec must be bare system calls")]

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use rustix::fs::{Gid, Uid};

use super::account;
use super::fork::Step;
use crate::account::RunAs;

/// `_LINUX_CAPABILITY_VERSION_3`, capget(2).
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Who to become, in the kernel's numbers. `None`: left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    user: Option<u32>,
    group: Option<u32>,
    groups: Option<Vec<u32>>,
    /// Nothing it executes ever gets others: one bit each. With the highest number that this kernel knows.
    bounding: Option<(u64, u8)>,
    /// Permitted, effective and inheritable.
    held: Option<u64>,
    /// They outlive the change of user, and exec.
    ambient: bool,
    no_new_privileges: bool,
}

/// Why it can't be: whose name, and the reason.
pub(crate) type Unknown = (String, io::Error);

impl Identity {
    /// Errors: an unknown user, group or capability.
    pub(crate) fn resolve(run_as: &RunAs) -> Result<Identity, Unknown> {
        let user = match &run_as.user {
            Some(name) => Some(account::find_user(name).map_err(|error| (name.clone(), error))?),
            None => None,
        };
        let group = main_group(run_as, user.as_ref())?;
        let groups = more_groups(run_as, user.as_ref(), group)?;
        let user = user.map(|found| found.id);
        let becomes_root = user.unwrap_or(rustix::process::geteuid().as_raw()) == 0;
        let kept = match &run_as.capabilities {
            Some(numbers) => Some(bits(numbers, becomes_root).map_err(|error| (name_of(run_as), error))?),
            None => None,
        };
        Ok(Identity {
            user,
            group,
            groups: groups.filter(|wanted| !has_groups(wanted)),
            bounding: kept,
            held: match kept {
                Some((bits, _)) => Some(bits),
                None if user.is_some() && !becomes_root => Some(0),
                None => None,
            },
            ambient: !becomes_root && kept.is_some_and(|(bits, _)| bits != 0),
            no_new_privileges: !run_as.new_privileges,
        })
    }
}

/// For messages.
pub(crate) fn name_of(run_as: &RunAs) -> String {
    match (&run_as.user, &run_as.group) {
        (Some(user), _) => user.clone(),
        (None, Some(group)) => format!("{} of group {group}", account::name()),
        (None, None) => account::name(),
    }
}

fn main_group(run_as: &RunAs, user: Option<&account::User>) -> Result<Option<u32>, Unknown> {
    match (&run_as.group, user, &run_as.user) {
        (Some(group), _, _) => account::find_group(group).map(Some).map_err(|error| (name_of(run_as), error)),
        (None, Some(found), Some(name)) => match found.group {
            Some(group) => Ok(Some(group)),
            None => Err((name.clone(), account::no_group_of(name))),
        },
        (None, _, _) => Ok(None),
    }
}

/// With the main group among them, as initgroups(3) has it. `None`: ours stay.
fn more_groups(run_as: &RunAs, user: Option<&account::User>, main: Option<u32>) -> Result<Option<Vec<u32>>, Unknown> {
    let context = |error| (name_of(run_as), error);
    let mut groups = if run_as.groups.is_empty() {
        match user {
            None => return Ok(None),
            Some(account::User { login: Some(login), .. }) => account::groups_of(&login.name).map_err(context)?,
            Some(_) => Vec::new(),
        }
    } else {
        let found = run_as.groups.iter().map(|group| account::find_group(group));
        found.collect::<io::Result<Vec<u32>>>().map_err(context)?
    };
    groups.extend(main);
    groups.sort_unstable();
    groups.dedup();
    Ok(Some(groups))
}

/// Setting what is there already would need the right to set anything.
fn has_groups(wanted: &[u32]) -> bool {
    let Ok(found) = rustix::process::getgroups() else { return false };
    let own = rustix::process::getegid();
    let mut found: Vec<u32> = found.into_iter().chain([own]).map(rustix::process::Gid::as_raw).collect();
    found.sort_unstable();
    found.dedup();
    found == wanted
}

/// With the highest number this kernel knows. Root gets what it is allowed of them and we have; anybody else is to have
/// every one, or is not started.
fn bits(numbers: &[u8], becomes_root: bool) -> io::Result<(u64, u8)> {
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
    let last: u8 = last.trim().parse().map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    let mut bits = 0;
    for &number in numbers {
        if number > last || number > 63 {
            let text = format!("this kernel has no capability {number} (its last is {last})");
            return Err(io::Error::new(ErrorKind::Unsupported, text));
        }
        bits |= 1 << number;
    }
    if becomes_root {
        bits &= rustix::thread::capabilities(None)?.permitted.bits();
    }
    Ok((bits, last))
}

impl Identity {
    /// Makes a file's owner of it.
    pub(crate) fn own(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        let (user, group) = (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw));
        Ok(rustix::fs::fchown(file, user, group)?)
    }

    /// # Safety
    ///
    /// Only in a child between fork and exec.
    pub(crate) unsafe fn assume(&self) -> Result<(), Step> {
        // SAFETY: system calls on integers and on arrays that outlive the calls; as for this function.
        unsafe {
            if let Some((kept, last)) = self.bounding {
                limit_capabilities(kept, last)?;
            }
            if let Some(groups) = &self.groups {
                done(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()), "its groups")?;
            }
            if let Some(group) = self.group {
                done(libc::syscall(libc::SYS_setresgid, group, group, group), "its group")?;
            }
            if let Some(user) = self.user {
                let keep = libc::c_ulong::from(self.ambient);
                done(libc::prctl(libc::PR_SET_KEEPCAPS, keep, 0, 0, 0).into(), "its capabilities")?;
                done(libc::syscall(libc::SYS_setresuid, user, user, user), "its user")?;
            }
            if let Some(held) = self.held {
                hold_capabilities(held, self.ambient)?;
            }
            if self.no_new_privileges {
                done(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into(), "that it gets no more rights")?;
            }
        }
        Ok(())
    }
}

fn done(result: libc::c_long, what: &'static str) -> Result<(), Step> {
    if result < 0 { Err(Step::Account(what)) } else { Ok(()) }
}

/// # Safety
///
/// As for [`Identity::assume`].
unsafe fn limit_capabilities(kept: u64, last: u8) -> Result<(), Step> {
    for number in (0..=last).filter(|number| kept & (1 << number) == 0) {
        let number = libc::c_ulong::from(number);
        // SAFETY: integers only.
        unsafe {
            // One that is gone already needs no right to drop.
            if libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) != 0 {
                done(libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0).into(), "its capabilities")?;
            }
        }
    }
    Ok(())
}

/// capset(2), `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One half of `struct __user_cap_data_struct[2]`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// What is no longer permitted leaves the ambient set by itself.
///
/// # Safety
///
/// As for [`Identity::assume`].
unsafe fn hold_capabilities(held: u64, ambient: bool) -> Result<(), Step> {
    let header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let half = |bits: u32| Half { effective: bits, permitted: bits, inheritable: bits };
    let data = [half((held & u64::from(u32::MAX)) as u32), half((held >> 32) as u32)];
    // SAFETY: both are as capset(2) says and live on this stack.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    done(set, "its capabilities")?;
    if ambient {
        for number in (0..64).filter(|number| held & (1 << number) != 0) {
            // SAFETY: integers only.
            let raised = unsafe {
                libc::prctl(
                    libc::PR_CAP_AMBIENT,
                    libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
                    number as libc::c_ulong,
                    0,
                    0,
                )
            };
            done(raised.into(), "its capabilities")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_whom_it_was_for() {
        let unknown = |run_as: RunAs| Identity::resolve(&run_as).unwrap_err();
        let (who, error) = unknown(RunAs { user: Some("no such user".to_owned()), ..RunAs::default() });
        assert_eq!((who.as_str(), error.kind()), ("no such user", ErrorKind::NotFound));
        let groups = vec!["no such group".to_owned()];
        let (who, error) = unknown(RunAs { user: Some("root".to_owned()), groups, ..RunAs::default() });
        assert_eq!(who, "root");
        assert!(error.to_string().contains("no such group"), "{error}");
        let (_, error) = unknown(RunAs { user: Some("4711".to_owned()), ..RunAs::default() });
        assert!(error.to_string().contains("name a group"), "{error}");
        let (_, error) = unknown(RunAs { capabilities: Some(vec![63]), ..RunAs::default() });
        assert!(error.to_string().contains("no capability 63"), "{error}");
    }

    #[test]
    fn a_user_that_is_not_root_has_nothing_of_ours() {
        let found = Identity::resolve(&RunAs {
            user: Some("4711".to_owned()),
            group: Some("4712".to_owned()),
            groups: vec!["4714".to_owned(), "4713".to_owned()],
            ..RunAs::default()
        });
        let expected = Identity {
            user: Some(4711),
            group: Some(4712),
            groups: Some(vec![4712, 4713, 4714]),
            bounding: None,
            held: Some(0),
            ambient: false,
            no_new_privileges: true,
        };
        assert_eq!(found.unwrap(), expected);
    }
}
