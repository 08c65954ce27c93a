//! What a client and a guard say to each other: one JSON object a line, each answer carries the number of its question.

use serde::{Deserialize, Serialize};

use crate::spec::Problem;
use crate::status::{ServiceStatus, State};

/// The version both sides speak. A guard answers an unknown one with `Code::Version` and its own number.
pub const VERSION: u32 = 1;

/// The longest line a guard reads.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub v: u32,
    /// Chosen by the client.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What can be wanted of a guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Its status now.
    Status,
    /// Be up. The spec is read again first.
    Start {
        /// Without waiting for what must be there before.
        #[serde(default, skip_serializing_if = "is_false")]
        now: bool,
    },
    /// Be down.
    Stop,
    /// Be down, then up. The spec is read again first.
    Restart,
    /// Be down at once.
    Kill,
    /// Be down, and the guard ends.
    Retire {
        /// Everything goes down: first the services that come after this one.
        #[serde(default, skip_serializing_if = "is_false")]
        in_order: bool,
    },
    /// Halt the living run as a whole.
    Pause,
    /// Let it go on.
    Continue,
    /// Make the program read its configuration again.
    Reload,
    /// Begin every log file anew that has anything in it; answered when it is done.
    Rotate,
    /// Read the spec again. With `hold`, what would replace the running program waits for the next start.
    Apply {
        /// Only what the running program needn't be replaced for.
        #[serde(default)]
        hold: bool,
    },
    /// A line for the program's standard input.
    Send {
        /// Without its line break.
        text: String,
    },
    /// Answers at once, and again whenever state, standing or run is another, until either side closes the connection.
    Follow {
        /// The service that comes after this one and is alive for as long as the connection is open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dependent: Option<String>,
    },
    /// Answers when the service is in one of `states` with run `run` or a later one, or after `limit` milliseconds.
    Wait {
        /// One of these ends the wait.
        states: Vec<State>,
        /// Only runs from this one on count; 0: any.
        run: u64,
        /// The longest wait.
        limit: u64,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The guard's [`VERSION`].
    pub v: u32,
    /// That of the question; 0 when it could not be read.
    pub id: u64,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was done, or begun; this is how the service is now.
    Ok(ServiceStatus),
    /// It was not.
    Error(Refusal),
}

/// Why a question was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people; begins with "cannot".
    pub message: String,
    /// What is wrong with the spec, where that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Place>,
}

/// A [`Problem`] as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Stable names of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The line is no request.
    Malformed,
    /// Another version of the protocol.
    Version,
    /// This user may not.
    Forbidden,
    /// The service's state or spec forbids it.
    Refused,
    /// The spec file is wrong.
    Spec,
    /// The wait was over first.
    TimedOut,
    /// Too many clients or questions at once.
    Busy,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<&Problem> for Place {
    fn from(problem: &Problem) -> Self {
        let Problem { line, column, message, help, .. } = problem.clone();
        Self { line, column, message, help }
    }
}

impl Request {
    /// The line to send.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl Reply {
    /// The line to send.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_this_form() {
        let wait = Request { v: 1, id: 7, ask: Ask::Wait { states: vec![State::Up, State::Done], run: 3, limit: 500 } };
        assert_eq!(
            wait.line(),
            "{\"v\":1,\"id\":7,\"do\":\"wait\",\"states\":[\"up\",\"done\"],\"run\":3,\"limit\":500}\n"
        );
        for ask in [
            r#""do":"status""#,
            r#""do":"start""#,
            r#""do":"start","now":true"#,
            r#""do":"stop""#,
            r#""do":"restart""#,
            r#""do":"kill""#,
            r#""do":"retire""#,
            r#""do":"retire","in_order":true"#,
            r#""do":"pause""#,
            r#""do":"continue""#,
            r#""do":"reload""#,
            r#""do":"apply","hold":true"#,
            r#""do":"send","text":"quit""#,
            r#""do":"follow""#,
            r#""do":"follow","dependent":"web@2""#,
        ] {
            let text = format!(r#"{{"v":1,"id":1,{ask}}}"#);
            let request: Request = serde_json::from_str(&text).expect(&text);
            assert_eq!(request.line().trim_end(), text);
        }
        assert!(serde_json::from_str::<Request>(r#"{"v":1,"id":1,"do":"start","know":true}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"v":1,"id":1,"do":"dance"}"#).is_err());
    }

    #[test]
    fn replies_have_this_form() {
        let refusal = Refusal { code: Code::Forbidden, message: "cannot order".to_owned(), problems: Vec::new() };
        let line = Reply { v: 1, id: 2, answer: Answer::Error(refusal) }.line();
        assert_eq!(line, "{\"v\":1,\"id\":2,\"error\":{\"code\":\"forbidden\",\"message\":\"cannot order\"}}\n");
        let reply: Reply = serde_json::from_str(line.trim_end()).expect("our own line");
        assert_eq!(reply.id, 2);
    }
}
