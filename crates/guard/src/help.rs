//! Helpers of a service: hooks, and commands that stop or reload it. Each is contained, has a deadline, and its output is kept.

use std::path::Path;
use std::time::Duration;

use mainstay_core::event::{HookEnd, RunId};
use mainstay_core::exit::Exit;
use mainstay_core::spec::{HookPoint, Names};
use mainstay_core::status::Status;
use mainstay_core::time::Mono;
use mainstay_os::tree::{self, Tree};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// After its end by force, what a helper started must be gone within this; a process stuck in the kernel is left to its containment.
const GONE_LIMIT: Duration = Duration::from_secs(5);

/// A hook that runs.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) run: RunId,
    pub(crate) point: HookPoint,
    pub(crate) began: Instant,
    /// Ends it.
    end: Option<oneshot::Sender<()>>,
}

impl Hook {
    /// Takes care of a hook's tree: the future is over when nothing of it lives.
    pub(crate) fn watch(
        run: RunId,
        point: HookPoint,
        tree: Tree,
        limit: Duration,
    ) -> (Self, impl Future<Output = HookEnd> + Send + 'static) {
        let (end, ended) = oneshot::channel();
        (Self { run, point, began: Instant::now(), end: Some(end) }, watch(tree, limit, ended))
    }

    pub(crate) fn end(&mut self) {
        // One that is over already needs no end.
        self.end.take().map(|end| end.send(()).ok());
    }
}

async fn watch(mut tree: Tree, limit: Duration, ended: oneshot::Receiver<()>) -> HookEnd {
    let deadline = Instant::now() + limit;
    let end = tokio::select! {
        biased;
        exit = tree.exited() => HookEnd::Exited(exit_of(exit)),
        Ok(()) = ended => HookEnd::Ended,
        () = tokio::time::sleep_until(deadline) => HookEnd::TimedOut,
    };
    // What it started ends with it, also after a good end.
    drop(tree.kill());
    drop(timeout_at(Instant::now() + GONE_LIMIT, tree.emptied()).await);
    end
}

/// Waits for a command that must succeed.
pub(crate) async fn command(tree: Tree, limit: Duration) -> Result<(), String> {
    let (_end, ended) = oneshot::channel();
    match watch(tree, limit, ended).await {
        HookEnd::Exited(exit) if exit.is_success() => Ok(()),
        HookEnd::Exited(exit) => Err(format!("the command ended with {exit}")),
        HookEnd::TimedOut | HookEnd::Ended => Err(format!("the command took longer than {} ms", limit.as_millis())),
        HookEnd::NotStarted(why) => Err(why),
    }
}

/// The number in a pid file, if there is one yet.
pub(crate) fn pid_in(path: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 0)
}

pub(crate) fn exit_of(exit: tree::Exit) -> Exit {
    match exit {
        tree::Exit::Code(code) => Exit::Code(code),
        tree::Exit::Signal(signal) => Exit::Signal(signal),
    }
}

/// What a hook is told of what happened.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) run: RunId,
    pub(crate) status: &'a Status,
    /// When the guard began, and when the newest run did.
    pub(crate) guard_began: Mono,
    pub(crate) run_began: Option<Mono>,
    pub(crate) now: Mono,
    /// Failures in a row.
    pub(crate) failures: u32,
    pub(crate) program: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) limit: Duration,
}

/// The variables that tell a hook what happened.
pub(crate) fn variables(point: HookPoint, names: Names, facts: &Facts<'_>) -> Vec<(String, String)> {
    let mut vars: Vec<(&str, String)> = vec![
        ("MAINSTAY_HOOK", point.word().to_owned()),
        ("MAINSTAY_RUN", facts.run.0.to_string()),
        ("MAINSTAY_STATE", format!("{:?}", facts.status.phase).to_lowercase()),
        ("MAINSTAY_RESTARTS", facts.status.restarts.to_string()),
        ("MAINSTAY_FAILURES", facts.failures.to_string()),
        ("MAINSTAY_GUARD_PID", std::process::id().to_string()),
    ];
    vars.extend(facts.status.pid.map(|pid| ("MAINSTAY_PID", pid.to_string())));
    match facts.status.last_exit {
        Some(Exit::Code(code)) => vars.push(("MAINSTAY_EXIT_CODE", code.to_string())),
        Some(Exit::Signal(signal)) => vars.push(("MAINSTAY_EXIT_SIGNAL", signal.to_string())),
        None => {}
    }
    vars.extend(facts.status.last_exit.map(|exit| ("MAINSTAY_EXIT", exit.to_string())));
    let ran = facts.run_began.map(|began| facts.now.since(began).as_millis().to_string());
    vars.extend(ran.map(|ran| ("MAINSTAY_RAN_MS", ran)));
    let subject = match point {
        HookPoint::PreRotate | HookPoint::OnRotate => Some("MAINSTAY_LOG_FILE"),
        HookPoint::OnExit => Some("MAINSTAY_EXIT_CAUSE"),
        HookPoint::PreStart | HookPoint::PostStart | HookPoint::PreStop | HookPoint::PostStop => None,
        HookPoint::OnQuarantine | HookPoint::OnSuspend | HookPoint::OnResume => None,
    };
    vars.extend(subject.zip(facts.subject).map(|(name, about)| (name, about.to_owned())));
    match names {
        Names::Own => {}
        Names::Nssm => vars.extend(nssm(point, facts)),
    }
    vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The same in the words that hooks written for NSSM read. Those that mean nothing here are left out.
fn nssm(point: HookPoint, facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let (event, action) = match point {
        HookPoint::PreStart => ("Start", "Pre"),
        HookPoint::PostStart => ("Start", "Post"),
        HookPoint::PreStop => ("Stop", "Pre"),
        HookPoint::PostStop => ("Stop", "Post"),
        HookPoint::OnExit => ("Exit", "Post"),
        HookPoint::PreRotate => ("Rotate", "Pre"),
        HookPoint::OnRotate => ("Rotate", "Post"),
        HookPoint::OnQuarantine => ("Exit", "Quarantine"),
        HookPoint::OnSuspend => ("Power", "Suspend"),
        HookPoint::OnResume => ("Power", "Resume"),
    };
    let ms = |since: Mono| facts.now.since(since).as_millis().to_string();
    let executable = std::env::current_exe().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let display = if facts.display_name.is_empty() { facts.name } else { facts.display_name };
    let mut vars = vec![
        ("NSSM_HOOK_VERSION", "1".to_owned()),
        ("NSSM_EXE", executable),
        ("NSSM_VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ("NSSM_PID", std::process::id().to_string()),
        ("NSSM_DEADLINE", facts.limit.as_millis().to_string()),
        ("NSSM_SERVICE_NAME", facts.name.to_owned()),
        ("NSSM_SERVICE_DISPLAYNAME", display.to_owned()),
        ("NSSM_COMMAND_LINE", facts.program.to_owned()),
        ("NSSM_EVENT", event.to_owned()),
        ("NSSM_ACTION", action.to_owned()),
        ("NSSM_TRIGGER", action.to_owned()),
        ("NSSM_START_COUNT", (facts.status.restarts + 1).to_string()),
        ("NSSM_THROTTLE_COUNT", facts.failures.to_string()),
        ("NSSM_EXIT_COUNT", facts.status.restarts.to_string()),
        ("NSSM_RUNTIME", ms(facts.guard_began)),
    ];
    vars.extend(facts.status.pid.map(|pid| ("NSSM_APPLICATION_PID", pid.to_string())));
    vars.extend(facts.run_began.map(|began| ("NSSM_APPLICATION_RUNTIME", ms(began))));
    if let Some(Exit::Code(code)) = facts.status.last_exit {
        vars.push(("NSSM_EXITCODE", code.to_string()));
    }
    vars
}
