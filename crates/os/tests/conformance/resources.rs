//! What a run may use.

use mainstay_os::resources::{Cpu, Resources, check};
use mainstay_os::tree::{Exit, Launch, SpawnError};

#[cfg(unix)]
use crate::stage::Second;
use crate::stage::{Run, Stage, words};

fn start(stage: &Stage, resources: &Resources, commands: &[&str]) -> Result<Run, SpawnError> {
    stage.launch(&Launch { args: &words(commands), resources, ..stage.plain() })
}

fn limits() -> Vec<Resources> {
    vec![
        Resources { memory_bytes: Some(512 << 20), ..Resources::default() },
        Resources { cpu_percent: Some(80), ..Resources::default() },
        Resources { processes: Some(30), ..Resources::default() },
    ]
}

/// A limit is kept or refused, and the check has told before which.
#[tokio::test]
async fn what_can_not_be_kept_is_refused_at_the_start_as_the_check_said() {
    let stage = Stage::new();
    for resources in limits() {
        let told = check(&resources);
        match (told.as_slice(), start(&stage, &resources, &["exit", "6"])) {
            ([], Ok(mut run)) => assert_eq!(run.exited().await, Exit::Code(6)),
            ([told], Err(error @ SpawnError::Resource { .. })) => {
                assert!(told.reason.starts_with(&format!("cannot set {}: ", told.key)), "{}", told.reason);
                assert!(error.to_string().ends_with(&told.reason), "{error} / {}", told.reason);
            }
            (told, Err(error)) => panic!("{error} / {told:?}"),
            (told, Ok(_)) => panic!("it was started, although {told:?}"),
        }
        assert_eq!(start(&stage, &Resources::default(), &["exit", "5"]).unwrap().exited().await, Exit::Code(5));
    }
}

#[tokio::test]
async fn a_processor_that_is_not_there_is_refused() {
    let stage = Stage::new();
    for cpu in [Cpu { group: 0, number: 60_000 }, Cpu { group: 900, number: 0 }] {
        let resources = Resources { affinity: vec![cpu], ..Resources::default() };
        assert_eq!(check(&resources).iter().map(|told| told.key).collect::<Vec<_>>(), ["resources.affinity"]);
        match start(&stage, &resources, &["exit", "0"]) {
            Err(SpawnError::Resource { what: "resources.affinity", .. }) => {}
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{cpu:?} was found"),
        }
    }
}

#[tokio::test]
async fn nothing_asked_for_is_nothing_refused() {
    assert_eq!(check(&Resources::default()), []);
    let first = Resources { affinity: vec![Cpu { group: 0, number: 0 }], ..Resources::default() };
    assert_eq!(check(&first), []);
    assert_eq!(start(&Stage::new(), &first, &["exit", "3"]).unwrap().exited().await, Exit::Code(3));
}

#[cfg(unix)]
#[tokio::test]
async fn a_programs_own_settings_are_there_from_its_first_instruction() {
    use mainstay_os::resources::{IoPriority, Priority, Rlimit, RlimitValue};
    let stage = Stage::new();
    let resources = Resources {
        priority: Some(Priority::BelowNormal),
        io: Some(IoPriority::Low),
        affinity: vec![Cpu { group: 0, number: 0 }],
        umask: Some(0o027),
        rlimits: vec![(Rlimit::OpenFiles, RlimitValue::At(99)), (Rlimit::Core, RlimitValue::At(0))],
        ..Resources::default()
    };
    assert_eq!(check(&resources), []);
    let script = "umask; ulimit -Sn; ulimit -Hn; ulimit -c; nice; \
                  while read -r name value; do [ $name != Cpus_allowed_list: ] || echo $value; done </proc/self/status";
    let args = words(&["-c", script]);
    let launch = Launch { program: "/bin/sh".as_ref(), args: &args, resources: &resources, ..stage.plain() };
    let mut run = stage.launch(&launch).unwrap();
    let nice = rustix::process::getpriority_process(None).unwrap().max(10).to_string();
    assert_eq!(run.finish().await.lines().collect::<Vec<_>>(), ["0027", "99", "99", "0", &nice, "0"]);
    // Our own are as they were.
    assert_ne!(rustix::process::getpriority_process(None).unwrap(), 10);

    let exact = Resources { nice: Some(7), priority: Some(Priority::Idle), ..Resources::default() };
    let args = words(&["-c", "nice"]);
    let launch = Launch { program: "/bin/sh".as_ref(), args: &args, resources: &exact, ..stage.plain() };
    assert_eq!(stage.launch(&launch).unwrap().finish().await.trim_end(), "7");
}

#[cfg(unix)]
#[tokio::test]
async fn the_io_priority_is_the_one_asked_for() {
    use mainstay_os::resources::IoPriority;
    let stage = Stage::new();
    let args = words(&["-c", "ionice"]);
    for (io, told) in [
        (IoPriority::Idle, "idle"),
        (IoPriority::Low, "best-effort: prio 7"),
        (IoPriority::Normal, "best-effort: prio 4"),
        (IoPriority::High, "best-effort: prio 0"),
    ] {
        let resources = Resources { io: Some(io), ..Resources::default() };
        let launch = Launch { program: "/bin/sh".as_ref(), args: &args, resources: &resources, ..stage.plain() };
        assert_eq!(stage.launch(&launch).unwrap().finish().await.trim_end(), told);
    }
}

/// Only a cgroup can limit a whole tree.
#[cfg(unix)]
#[tokio::test]
async fn a_process_group_has_no_limits() {
    use mainstay_os::tree::Place;
    let stage = Stage::at(Place::claim_process_group(&crate::stage::new_mark()).unwrap());
    for resources in limits() {
        assert!(matches!(start(&stage, &resources, &["exit", "0"]), Err(SpawnError::Resource { .. })));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn more_than_we_may_give_is_refused() {
    let mut second = Second::start("unprivileged", &[]);
    for key in ["resources.priority", "resources.nice", "resources.limits"] {
        let told = second.line().await;
        assert!(told.starts_with(&format!("cannot set {key}: ")) && told.contains("root"), "{told}");
        let refused = second.line().await;
        assert!(refused.contains(&format!(": cannot set {key}: only root")), "{refused}");
    }
    assert!(second.passed().await);
}
