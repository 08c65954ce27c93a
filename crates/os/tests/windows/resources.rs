//! What a run may use, as far as it can be read back. Wine keeps a job's limits but enforces none and knows no CPU rate.

#![expect(unsafe_code, reason = "what a process was given is asked by its handle")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use mainstay_os::account::RunAs;
use mainstay_os::resources::{Cpu, IoPriority, Priority, Resources, check};
use mainstay_os::tree::{Exit, SpawnError};
use windows_sys::Win32::System::Threading::{
    GetPriorityClass, GetProcessAffinityMask, OpenProcess, PROCESS_QUERY_INFORMATION,
};

use crate::bed;

fn open(pid: u32) -> OwnedHandle {
    // SAFETY: a plain call; the handle is ours.
    unsafe {
        let process = OpenProcess(PROCESS_QUERY_INFORMATION, 0, pid);
        assert!(!process.is_null(), "{}", std::io::Error::last_os_error());
        OwnedHandle::from_raw_handle(process)
    }
}

#[test]
fn a_priority_is_the_programs_from_its_start() {
    bed::run(async {
        for (priority, class) in [
            (Priority::Idle, 0x40),
            (Priority::BelowNormal, 0x4000),
            (Priority::Normal, 0x20),
            (Priority::AboveNormal, 0x8000),
            (Priority::High, 0x80),
        ] {
            let resources = Resources { priority: Some(priority), ..Resources::default() };
            assert_eq!(check(&resources), []);
            let mut running = bed::start_with(&["ctrl-c"], &resources, None).unwrap();
            assert_eq!(running.line().await, "ready");
            let process = open(running.tree.pid());
            // SAFETY: the handle is open.
            assert_eq!(unsafe { GetPriorityClass(process.as_raw_handle()) }, class, "{priority:?}");
        }
    });
}

#[test]
fn an_affinity_is_the_programs_and_a_processor_that_is_missing_is_named() {
    bed::run(async {
        let on = |number| Resources { affinity: vec![Cpu { group: 0, number }], ..Resources::default() };
        let mut running = bed::start_with(&["ctrl-c"], &on(0), None).unwrap();
        assert_eq!(running.line().await, "ready");
        let process = open(running.tree.pid());
        let (mut its, mut all) = (0, 0);
        // SAFETY: the handle is open, the results live.
        assert_ne!(unsafe { GetProcessAffinityMask(process.as_raw_handle(), &raw mut its, &raw mut all) }, 0);
        // Wine's jobs don't enforce it.
        assert!(its == 1 || bed::under_wine(), "{its:b} of {all:b}");

        let refused = bed::start_with(&["exit", "0"], &on(63), None).err().unwrap().to_string();
        assert!(refused.contains("cannot set resources.affinity: there is no processor 63 in group 0"), "{refused}");
    });
}

/// Each alone, so that what one machine can't do hides nothing of the rest.
#[test]
fn what_check_finds_is_refused_at_the_start_and_all_else_is_started() {
    bed::run(async {
        for resources in [
            Resources { cpu_percent: Some(50), ..Resources::default() },
            Resources { cpu_weight: Some(200), ..Resources::default() },
            Resources { memory_bytes: Some(1 << 30), ..Resources::default() },
            Resources { processes: Some(10), ..Resources::default() },
            Resources { nice: Some(5), ..Resources::default() },
            Resources { umask: Some(0o22), ..Resources::default() },
            Resources { io: Some(IoPriority::Low), ..Resources::default() },
            Resources { io: Some(IoPriority::High), ..Resources::default() },
        ] {
            let told = check(&resources);
            match bed::start_with(&["exit", "7"], &resources, None) {
                Ok(running) => {
                    assert_eq!(told, [], "{resources:?}");
                    assert_eq!(running.rest().await.1, Exit::Code(7));
                }
                Err(SpawnError::Resource { what, source, .. }) => {
                    println!("{what}: {source}");
                    assert_eq!(told.len(), 1, "{resources:?}");
                    assert_eq!(told[0].key, what);
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn another_account_is_the_service_managers_matter() {
    bed::run(async {
        let run_as = RunAs { user: Some("bob".to_owned()), ..RunAs::default() };
        let refused = bed::start_with(&["exit", "0"], &Resources::default(), Some(&run_as)).err().unwrap();
        assert!(matches!(refused, SpawnError::Account { .. }), "{refused}");
        let text = "as bob: the service manager logs the service on; set the account at install";
        assert!(refused.to_string().ends_with(text), "{refused}");
        let nobody = RunAs::default();
        let running = bed::start_with(&["exit", "3"], &Resources::default(), Some(&nobody)).unwrap();
        assert_eq!(running.rest().await.1, Exit::Code(3));
    });
}

/// A limit that is hit can't be shown under Wine; that no other message is taken for one can.
#[test]
fn a_run_that_keeps_its_limits_hits_none() {
    bed::run(async {
        let resources = Resources { memory_bytes: Some(1 << 30), processes: Some(10), ..Resources::default() };
        let mut running = bed::start_with(&["exit", "5"], &resources, None).unwrap();
        assert_eq!(running.tree.exited().await, Exit::Code(5));
        running.tree.emptied().await;
        let mut hit = std::pin::pin!(running.tree.limit_hit());
        let seen = std::future::poll_fn(|context| std::task::Poll::Ready(hit.as_mut().poll(context))).await;
        assert!(seen.is_pending(), "{seen:?}");
    });
}
