//! The command line: what may be typed, and which room answers it.

mod agent;
mod apply;
mod edit;
pub(crate) mod guard;
mod init;
mod install;
mod list;
mod logs;
mod orders;
mod records;
mod rotate;
mod scale;
mod select;
mod self_cmd;
mod send;
mod show;
mod sinks;
mod status;
mod tree;
mod up;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use mainstay_os::shutdown;
use mainstay_wire::layout::Layout;

use crate::failure::Failure;
use crate::{exit, home};

/// Keeps programs running: as OS services, or with `up` in the foreground.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, max_term_width = 100, disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Keep everything under this folder instead of the system's folders.
    #[arg(long, global = true, env = "MAINSTAY_HOME", value_name = "DIR")]
    home: Option<PathBuf>,

    /// Print JSON: an array of objects, or one object a line for what comes line by line; errors as JSON too.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "Exit codes: 0 fine, 1 failed, 2 wrong command line, 3 not running, 4 no such service, 5 not permitted, 6 not in time.
Names may have wild cards (* and ?); @GROUP is all of a group, --all every service.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a program a service: mainstay install payment --directory C:\goapp -- C:\goapp\main.exe --port 8080
    Install(install::Install),
    /// Make a spec by five questions; the program is started once to see which port it listens on.
    Init(init::Init),
    /// Stop services and forget them; their logs and journals stay.
    Remove(install::Remove),
    /// Be up, as soon as what must be there before is.
    Start(orders::Start),
    /// Be down, by the spec's stop ladder; what comes after it first.
    Stop(orders::Order),
    /// Stop, then start; instances of a service one after the other.
    Restart(orders::Restart),
    /// Be down at once, without asking the program.
    Kill(orders::Order),
    /// Halt running programs as a whole.
    Pause(orders::Tell),
    /// Let paused programs go on.
    Continue(orders::Tell),
    /// Make programs read their configuration again, without a restart.
    Reload(orders::Tell),
    /// Set log files aside now and begin new ones
    Rotate(rotate::Rotate),
    /// Send a line to a program's standard input: mainstay send console say hello
    Send(send::Send),
    /// Set how many instances of a service there are: mainstay scale web 3
    Scale(scale::Scale),
    /// How services are now.
    Status(status::Status),
    /// Which services there are.
    List(list::List),
    /// What comes after what, and what a start waited for.
    Tree(tree::Tree),
    /// A service's whole spec, defaults included.
    Show(show::Show),
    /// One value of a spec: mainstay get payment restart.delay
    Get(show::Get),
    /// Change values of a spec: mainstay set payment restart.delay=2s env.GIN_MODE=release
    Set(edit::Set),
    /// Take values out of a spec, so that their defaults are in force.
    Unset(edit::Unset),
    /// Open a spec in your editor; what changed and what follows is shown first, a bad one is never saved.
    Edit(edit::Edit),
    /// Check specs without using them.
    Validate(validate::Validate),
    /// Make running services follow their spec files; restarts only what must be.
    Apply(apply::Apply),
    /// What programs printed.
    Logs(logs::Logs),
    /// What happened to services.
    Records(records::Records),
    /// Where log lines are sent, and how that is going.
    Sinks(sinks::Sinks),
    /// Ship log lines to the sinks of agent.toml, in the foreground.
    Agent(agent::Agent),
    /// Guard the services of a folder in the foreground; Ctrl-C stops all in reverse order.
    Up(up::Up),
    /// Guard one service: what service managers start. Not for people.
    Guard(guard::Help),
    /// Print completions for a shell: mainstay completions bash
    Completions {
        /// bash, zsh, fish, powershell or elvish.
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of specs, for editors.
    Schema {
        /// That of agent.toml instead.
        #[arg(long)]
        agent: bool,
    },
    /// Put this program into its place and PATH, replace it, take it out.
    #[command(name = "self")]
    SelfCmd(self_cmd::SelfCmd),
    /// Print the version.
    Version,
}

/// What every verb works with.
pub(crate) struct Context {
    pub(crate) layout: Layout,
    pub(crate) json: bool,
}

impl Context {
    /// Says what was done to a service: a line for people, or an object for programs.
    fn told(&self, name: &str, text: &str) {
        if self.json {
            anstream::println!("{}", serde_json::json!({ "name": name, "done": text }));
        } else {
            anstream::println!("{name}: {text}");
        }
    }

    /// Says something that nobody asked for but somebody should know.
    fn warn(&self, text: &str) {
        if self.json {
            anstream::eprintln!("{}", serde_json::json!({ "warning": text }));
        } else {
            anstream::eprintln!("mainstay: {text}");
        }
    }
}

/// Carries the command line out.
pub(crate) fn main(cli: Cli) -> ExitCode {
    let json = cli.json;
    if !matches!(cli.verb, Verb::Up(_)) {
        shutdown::end_with_reader();
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                let error = serde_json::json!({ "code": failure.code, "message": anstream::adapter::strip_str(&failure.text).to_string() });
                anstream::eprintln!("{}", serde_json::json!({ "error": error }));
            } else {
                anstream::eprintln!("mainstay: {failure}");
            }
            failure.code.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let home = match &cli.verb {
        Verb::Up(up) => up.dir.clone().or(cli.home),
        _ => cli.home,
    };
    let context = Context { layout: home::layout(home.as_deref())?, json: cli.json };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io("start"))?;
    runtime.block_on(async {
        match cli.verb {
            Verb::Install(verb) => verb.run(&context),
            Verb::Init(verb) => verb.run(&context).await,
            Verb::Remove(verb) => verb.run(&context).await,
            Verb::Start(verb) => verb.run(&context).await,
            Verb::Stop(verb) => verb.run(&context, orders::Kind::Stop).await,
            Verb::Restart(verb) => verb.run(&context).await,
            Verb::Kill(verb) => verb.run(&context, orders::Kind::Kill).await,
            Verb::Pause(verb) => verb.run(&context, orders::Told::Pause).await,
            Verb::Continue(verb) => verb.run(&context, orders::Told::Continue).await,
            Verb::Reload(verb) => verb.run(&context, orders::Told::Reload).await,
            Verb::Rotate(verb) => verb.run(&context).await,
            Verb::Send(verb) => verb.run(&context).await,
            Verb::Scale(verb) => verb.run(&context).await,
            Verb::Tree(verb) => verb.run(&context).await,
            Verb::Status(verb) => verb.run(&context).await,
            Verb::List(verb) => verb.run(&context),
            Verb::Show(verb) => verb.run(&context),
            Verb::Get(verb) => verb.run(&context),
            Verb::Set(verb) => verb.run(&context).await,
            Verb::Unset(verb) => verb.run(&context).await,
            Verb::Edit(verb) => verb.run(&context).await,
            Verb::Validate(verb) => verb.run(&context),
            Verb::Apply(verb) => verb.run(&context).await,
            Verb::Logs(verb) => verb.run(&context).await,
            Verb::Records(verb) => verb.run(&context).await,
            Verb::Sinks(verb) => verb.run(&context),
            Verb::Agent(verb) => verb.run(&context).await,
            Verb::Up(_) => up::run(&context).await,
            Verb::Guard(_) => Err(Failure::new(exit::USAGE, "cannot guard here: `guard` must be the first word")),
            Verb::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "mainstay", &mut std::io::stdout());
                Ok(())
            }
            Verb::Schema { agent } => {
                show::schema(agent);
                Ok(())
            }
            Verb::SelfCmd(verb) => verb.run(&context).await,
            Verb::Version => {
                let (version, system) = (env!("CARGO_PKG_VERSION"), mainstay_os::NAME);
                match context.json {
                    true => anstream::println!("{}", serde_json::json!({ "version": version, "system": system })),
                    false => anstream::println!("mainstay {version} ({system})"),
                }
                Ok(())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
