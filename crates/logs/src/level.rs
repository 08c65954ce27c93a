//! How grave a line is, told from its text: JSON, `level=warn`, klog, systemd's `<3>`, or a word such as `ERROR` near its beginning.

use mainstay_wire::level::Level;
use serde::Deserialize;

/// Where the words of plain lines are looked for: behind a time and a name, before what the line tells.
const WORDS_BYTES: usize = 96;
const WORDS_MAX: usize = 10;

/// The level of one line; `None` when it names none.
#[must_use]
pub fn of(line: &[u8]) -> Option<Level> {
    let text = line.trim_ascii_start();
    match text.first()? {
        b'{' => of_json(text).or_else(|| of_words(text)),
        b'<' => of_priority(text).or_else(|| of_words(text)),
        _ => of_klog(text).or_else(|| of_start(text)).or_else(|| of_logfmt(text)).or_else(|| of_words(text)),
    }
}

/// It tells more of the line before: an indented line, or what languages put between the lines of a stack trace.
#[must_use]
pub fn goes_on(line: &[u8]) -> bool {
    let begins = |with: &[u8]| line.starts_with(with);
    line.trim_ascii_end().is_empty()
        || line.first().is_some_and(u8::is_ascii_whitespace)
        || [&b"Caused by: "[..], b"goroutine ", b"exit status ", b"..."].into_iter().any(begins)
}

/// A word that programs use for a level, in any case.
#[must_use]
pub fn from_word(word: &[u8]) -> Option<Level> {
    let mut lower = [0; 13];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"trace" | b"trc" | b"verbose" | b"finest" | b"finer" => Level::Trace,
        b"debug" | b"dbg" | b"debu" | b"fine" => Level::Debug,
        b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"config" => Level::Info,
        b"warn" | b"warning" | b"wrn" => Level::Warn,
        b"error" | b"err" | b"erro" | b"severe" => Level::Error,
        b"fatal" | b"ftl" | b"fata" | b"panic" | b"dpanic" | b"critical" | b"crit" | b"crt" | b"alert" | b"emerg"
        | b"emergency" => Level::Fatal,
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Json<'j> {
    #[serde(
        borrow,
        alias = "lvl",
        alias = "severity",
        alias = "loglevel",
        alias = "log.level",
        alias = "@l",
        alias = "Level",
        alias = "LEVEL",
        alias = "@level",
        alias = "levelname",
        alias = "severityText"
    )]
    level: Value<'j>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value<'j> {
    Word(#[serde(borrow)] std::borrow::Cow<'j, str>),
    Number(i64),
    Other(serde::de::IgnoredAny),
}

fn of_json(text: &[u8]) -> Option<Level> {
    // Parsed, not searched: `{"message":"\"level\":\"error\""}` has no level.
    match serde_json::from_slice::<Json<'_>>(text).ok()?.level {
        Value::Word(word) => from_word(word.as_bytes()),
        // pino's and bunyan's numbers.
        Value::Number(number) => Some(match number {
            ..20 => Level::Trace,
            20..30 => Level::Debug,
            30..40 => Level::Info,
            40..50 => Level::Warn,
            50..60 => Level::Error,
            60.. => Level::Fatal,
        }),
        Value::Other(_) => None,
    }
}

/// `<3>text`: sd-daemon(3), the numbers of syslog(3).
fn of_priority(text: &[u8]) -> Option<Level> {
    match text {
        [b'<', digit, b'>', ..] => Some(match digit {
            b'0'..=b'2' => Level::Fatal,
            b'3' => Level::Error,
            b'4' => Level::Warn,
            b'5' | b'6' => Level::Info,
            b'7' => Level::Debug,
            _ => return None,
        }),
        _ => None,
    }
}

/// `E1123 05:00:00.000000 …`: Kubernetes' and glog's.
fn of_klog(text: &[u8]) -> Option<Level> {
    let [letter, d1, d2, d3, d4, b' ', ..] = text else { return None };
    if ![d1, d2, d3, d4].into_iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    })
}

/// What the runtimes of languages print when a program dies.
fn of_start(text: &[u8]) -> Option<Level> {
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start.as_bytes()));
    if begins(&["panic: ", "fatal error: ", "Exception in thread "]) {
        return Some(Level::Fatal);
    }
    begins(&["Traceback (most recent call last)", "Unhandled exception"]).then_some(Level::Error)
}

/// `level=warn`, `lvl=warn`, `severity=WARN`.
fn of_logfmt(text: &[u8]) -> Option<Level> {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memchr(b'=', rest)) {
        let (before, after) = (text.get(..from + at)?, text.get(from + at + 1..)?);
        let key = before.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        if [&b"level"[..], b"lvl", b"severity"].contains(&key) {
            let after = after.strip_prefix(b"\"").unwrap_or(after);
            return from_word(after.split(|byte| !byte.is_ascii_alphabetic()).next()?);
        }
        from += at + 1;
    }
    None
}

/// `ERROR`, `[error]`, `error:` or `|error|` among the first words. In small letters and free it is a word of the text.
fn of_words(text: &[u8]) -> Option<Level> {
    let start = text.get(..WORDS_BYTES).unwrap_or(text);
    let mut from = 0;
    for _ in 0..WORDS_MAX {
        let begin = from + start.get(from..)?.iter().position(u8::is_ascii_alphanumeric)?;
        let rest = start.get(begin..)?;
        let end = begin + rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = start.get(begin..end)?;
        let (before, after) = (begin.checked_sub(1).and_then(|at| start.get(at)), start.get(end));
        let is_loud = word.iter().all(u8::is_ascii_uppercase);
        let is_marked = matches!(after, Some(b':' | b']' | b'|' | b')')) || matches!(before, Some(b'[' | b'|' | b'('));
        let is_name = matches!(after, Some(b'_' | b'=' | b'/')) || matches!(before, Some(b'_' | b'/' | b'='));
        if (is_loud || is_marked)
            && !is_name
            && let Some(level) = from_word(word)
        {
            return Some(level);
        }
        from = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_programs() {
        use Level::{Debug, Error, Fatal, Info, Trace, Warn};
        for (line, level) in [
            (r#"{"level":"error","msg":"x"}"#, Some(Error)),
            (r#"{"time":"2026","severity":"WARNING","message":"x"}"#, Some(Warn)),
            (r#"{"msg":"hello","level":30}"#, Some(Info)),
            (r#"{"level":60}"#, Some(Fatal)),
            (r#"{"log.level":"debug","ecs.version":"1"}"#, Some(Debug)),
            (r#"{"message":"\"level\":\"error\""}"#, None),
            (r#"{"message":"not closed ERROR"#, Some(Error)),
            (r"  time=2026-11-23T05:00:00Z level=warn msg=x", Some(Warn)),
            (r#"ts=1 caller=main.go:3 lvl="error" msg="level=debug""#, Some(Error)),
            ("2026/11/23 05:00:00 [error] 7#7: *1 connect() failed", Some(Error)),
            ("2026-11-23 05:00:00.123  INFO 1 --- [main] c.e.App : Started", Some(Info)),
            ("2026-11-23 05:00:00,123 - name - WARNING - text", Some(Warn)),
            ("ERROR: relation does not exist", Some(Error)),
            ("error: cannot open", Some(Error)),
            ("[GIN-debug] GET /ping", Some(Debug)),
            ("TRACE x", Some(Trace)),
            ("I1123 05:00:00.000000 1 main.go:3] text", Some(Info)),
            ("E1123 05:00:00.000000 1 main.go:3] text", Some(Error)),
            ("<3>text", Some(Error)),
            ("<7>text", Some(Debug)),
            ("panic: runtime error: index out of range", Some(Fatal)),
            ("Traceback (most recent call last):", Some(Error)),
            ("no error was found", None),
            ("GET /error 200", None),
            ("MY_ERROR=1", None),
            (
                "a line of text that tells much and much more, in words that have nothing to do with it, and then ERROR",
                None,
            ),
            ("\u{4f60}\u{597d} [WARN] \u{4e16}\u{754c}", Some(Warn)),
            ("", None),
            ("   ", None),
        ] {
            assert_eq!(of(line.as_bytes()), level, "{line}");
        }
        assert_eq!(of(&[0xff, 0xfe, b'E', 0, b'R', 0]), None);
    }

    #[test]
    fn stack_traces_go_on() {
        for line in
            ["\tat com.example.Main", "  File \"x.py\", line 3", "Caused by: java.io", "goroutine 1 [running]:", ""]
        {
            assert!(goes_on(line.as_bytes()), "{line}");
        }
        assert!(!goes_on(b"next"));
    }
}
