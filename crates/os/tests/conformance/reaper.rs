//! Orphans are reaped, exits are not stolen.

use crate::stage::Second;

/// Hard case 7. Windows has no orphans to reap.
#[tokio::test]
async fn two_thousand_orphans_are_reaped_and_no_exit_is_stolen() {
    assert!(Second::start("reaper", &[]).passed().await);
}

#[tokio::test]
async fn as_pid_1_orphans_are_reaped_too() {
    let Some(unshare) = crate::identity::new_pid_namespace() else { return };
    assert!(Second::start_by(unshare, "reaper", &[]).passed().await);
}
