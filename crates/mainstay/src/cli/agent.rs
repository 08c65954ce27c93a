//! `agent`: what runs beside the guards of a home.

use clap::Args;
use mainstay_agent::ship;
use mainstay_os::shutdown;
use tokio::sync::watch;

use super::{Context, up};
use crate::failure::Failure;

/// Run the agent in the foreground: it ships log lines to the sinks of agent.toml.
#[derive(Debug, Args)]
pub(crate) struct Agent {}

impl Agent {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| Failure::failed(format!("cannot run the agent: {error}"));
        let lock = ship::lock(&context.layout).map_err(cannot)?;
        let mut signals = shutdown::Signals::new().map_err(cannot)?;
        let print = up::printer(context);
        let (end, ended) = watch::channel(false);
        let setup = ship::Setup { layout: context.layout.clone(), print };
        print(&format!(
            "shipping the logs of {} by {}",
            context.layout.logs.display(),
            context.layout.agent().display()
        ));
        let mut shipping = std::pin::pin!(ship::run(setup, lock, ended));
        tokio::select! {
            () = &mut shipping => return Ok(()),
            _ = signals.next() => drop(end.send_replace(true)),
        }
        shipping.await;
        Ok(())
    }
}
