//! From a spec's launch to what the OS starts: paths resolved, environment merged, program found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mainstay_core::event::RunId;
use mainstay_core::spec::{Launch, Log};
use mainstay_os::tree::{self, Place, Tree};
use mainstay_os::{environment, program};
use mainstay_wire::layout::Layout;

use crate::output::Destinations;

/// Starts `launch` as run `run` of `name`.
pub(crate) fn spawn(
    place: &Place,
    layout: &Layout,
    name: &str,
    run: RunId,
    launch: &Launch,
) -> Result<(Tree, tree::Output), String> {
    let extra = [("MAINSTAY_SERVICE", name.to_owned()), ("MAINSTAY_RUN", run.0.to_string())];
    start(place, layout, launch, &extra)
}

/// Starts a stop command beside run `run` whose main process is `pid`.
pub(crate) fn stop_command(
    place: &Place,
    layout: &Layout,
    (name, run, pid): (&str, RunId, u32),
    launch: &Launch,
    command: &[String],
) -> Result<(Tree, tree::Output), String> {
    let (program, args) =
        command.split_first().map_or_else(Default::default, |(first, rest)| (first.clone(), rest.to_vec()));
    let directory = Some(directory(layout, launch).to_string_lossy().into_owned());
    let command = Launch { program, args, directory, env: launch.env.clone(), breakaway: false };
    let extra =
        [("MAINSTAY_SERVICE", name.to_owned()), ("MAINSTAY_RUN", run.0.to_string()), ("MAINSTAY_PID", pid.to_string())];
    start(place, layout, &command, &extra)
}

fn start(
    place: &Place,
    layout: &Layout,
    launch: &Launch,
    extra: &[(&str, String)],
) -> Result<(Tree, tree::Output), String> {
    let directory = directory(layout, launch);
    let env = variables(launch, extra);
    let program = program::find(&launch.program, &directory, &env).map_err(|error| format!("cannot start {error}"))?;
    let args: Vec<OsString> = launch.args.iter().map(OsString::from).collect();
    let launch =
        tree::Launch { program: &program, args: &args, directory: &directory, env: &env, breakaway: launch.breakaway };
    place.spawn(&launch).map_err(|error| error.to_string())
}

/// The working directory: as named, relative to the home; else the program's own folder, if its path is absolute; else the home.
fn directory(layout: &Layout, launch: &Launch) -> PathBuf {
    let base = base(layout);
    match &launch.directory {
        Some(directory) => base.join(directory),
        None => {
            let program = Path::new(&launch.program);
            program.parent().filter(|_| program.is_absolute()).map_or(base, Path::to_path_buf)
        }
    }
}

/// What relative paths of a spec are relative to: the home, else the folder of the specs.
fn base(layout: &Layout) -> PathBuf {
    layout.home.clone().unwrap_or_else(|| layout.specs.clone())
}

fn variables(launch: &Launch, extra: &[(&str, String)]) -> Vec<(OsString, OsString)> {
    let inherited = if launch.env.replace { Vec::new() } else { environment::inherited() };
    let own = launch.env.vars.iter().map(|(name, value)| (name.into(), value.into()));
    let extra = extra.iter().map(|(name, value)| ((*name).into(), value.into()));
    environment::merge(inherited, own.chain(extra))
}

/// The files that a run's output goes to.
pub(crate) fn destinations(layout: &Layout, name: &str, launch: &Launch, log: &Log) -> Destinations {
    let raw = |path: &Option<String>| path.as_ref().map(|path| directory(layout, launch).join(path));
    Destinations {
        managed: log.managed.then(|| layout.output(name)),
        stdout: raw(&log.stdout),
        stderr: raw(&log.stderr),
        rotate: log.rotate,
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::spec::Env;

    use super::*;

    fn launch(program: &str, directory: Option<&str>) -> Launch {
        let (program, directory) = (program.to_owned(), directory.map(str::to_owned));
        Launch { program, args: Vec::new(), directory, env: Env::default(), breakaway: false }
    }

    #[test]
    fn relative_paths_start_at_the_home() {
        let home = if mainstay_os::NAME == "windows" { "C:\\srv" } else { "/srv" };
        let layout = Layout::home(Path::new(home));
        let absolute = Path::new(home).join("opt").join("x").to_string_lossy().into_owned();
        assert_eq!(directory(&layout, &launch("bin/x", None)), Path::new(home));
        assert_eq!(directory(&layout, &launch("bin/x", Some("data"))), Path::new(home).join("data"));
        assert_eq!(directory(&layout, &launch(&absolute, None)), Path::new(home).join("opt"));
        assert_eq!(directory(&layout, &launch(&absolute, Some("data"))), Path::new(home).join("data"));
    }

    #[test]
    fn a_replaced_environment_has_only_the_specs_and_our_variables() {
        let mut with_env = launch("x", None);
        with_env.env = Env { replace: true, vars: vec![("A".to_owned(), "1".to_owned())] };
        let vars = variables(&with_env, &[("MAINSTAY_RUN", "3".to_owned())]);
        assert_eq!(vars, [("A", "1"), ("MAINSTAY_RUN", "3")].map(|(n, v)| (n.into(), v.into())));
    }
}
