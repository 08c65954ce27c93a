//! `send`: lines for a program's standard input.

use std::io::BufRead;

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_wire::control::{Ask, REQUEST_BYTES_MAX};

use super::Context;
use super::orders::one_of;
use super::select;
use crate::exit;
use crate::failure::Failure;

/// What a request has beside the text, and what escaping may add to it.
const TEXT_BYTES_MAX: usize = REQUEST_BYTES_MAX / 2;

/// Send a line to a program's standard input.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The service; * and ? are wild cards, @GROUP is all of a group.
    name: String,
    /// The line, words joined by a space; - alone: every line of our own standard input.
    #[arg(required = true, value_name = "TEXT", trailing_var_arg = true, allow_hyphen_values = true)]
    text: Vec<String>,
}

impl Send {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let names = select::services(context)?.select(std::slice::from_ref(&self.name))?;
        if self.text != ["-"] {
            let text = self.text.join(" ");
            let sent = send_all(context, &names, &text).await;
            names.iter().filter(|name| !sent.failed(name)).for_each(|name| context.told(name, "sent"));
            return one_of(sent.into_failures());
        }
        let mut sent = Sent::default();
        for (number, line) in std::io::stdin().lock().lines().enumerate() {
            let line = line.map_err(Failure::io("read standard input"))?;
            // Whoever can't take one line gets none of the later ones: what it got is a beginning without holes.
            let open: Vec<String> = names.iter().filter(|name| !sent.failed(name)).cloned().collect();
            let more = send_all(context, &open, &line).await;
            sent.failures.extend(more.failures.into_iter().map(|(name, mut failure)| {
                failure.text = format!("{} (line {})", failure.text, number + 1);
                (name, failure)
            }));
            sent.lines = number + 1;
        }
        for name in names.iter().filter(|name| !sent.failed(name)) {
            let lines = if sent.lines == 1 { "1 line".to_owned() } else { format!("{} lines", sent.lines) };
            context.told(name, &format!("sent {lines}"));
        }
        one_of(sent.into_failures())
    }
}

/// Who could not be sent what.
#[derive(Debug, Default)]
struct Sent {
    lines: usize,
    failures: Vec<(String, Failure)>,
}

impl Sent {
    fn failed(&self, name: &str) -> bool {
        self.failures.iter().any(|(failed, _)| failed == name)
    }

    fn into_failures(self) -> Vec<Failure> {
        self.failures.into_iter().map(|(_, failure)| failure).collect()
    }
}

async fn send_all(context: &Context, names: &[String], text: &str) -> Sent {
    let mut sent = Sent::default();
    for name in names {
        if let Err(failure) = send(context, name, text).await {
            sent.failures.push((name.clone(), failure));
        }
    }
    sent
}

async fn send(context: &Context, name: &str, text: &str) -> Result<(), Failure> {
    if text.len() > TEXT_BYTES_MAX {
        let text = format!("cannot send to {name}: a line of {} bytes; at most {TEXT_BYTES_MAX} are taken", text.len());
        return Err(Failure::failed(text));
    }
    match client::ask(&context.layout, name, Ask::Send { text: text.to_owned() }).await {
        Ok(_) => Ok(()),
        Err(AskError::NotRunning(_)) => {
            Err(Failure::new(exit::NOT_RUNNING, format!("cannot send to {name}: it is not running")))
        }
        Err(error) => Err(error.into()),
    }
}
