//! Writing a command line that the program splits back into exactly the arguments it was made of.
//!
//! Windows passes one string; every program splits it on its own, nearly all by the rules of Microsoft's C run-time
//! ("Parsing C command-line arguments", "CommandLineToArgvW function"). Batch files are read by cmd.exe, whose rules
//! are different; the way used here is the one of Rust's standard library since CVE-2024-24576.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStrExt;
use std::path::Path;

/// "The maximum length of this string is 32,767 characters, including the Unicode terminating null character"
/// (Microsoft: "CreateProcessW function").
pub(crate) const UNITS_MAX: usize = 32_767;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const PERCENT: u16 = b'%' as u16;
const SPACE: u16 = b' ' as u16;
const TAB: u16 = b'\t' as u16;

/// The NUL-terminated command line for a program and its arguments, or what is wrong with which of them.
pub(crate) fn program(program: &Path, args: &[OsString]) -> Result<Vec<u16>, String> {
    let mut line = Vec::new();
    push_program(&mut line, program)?;
    for (index, arg) in args.iter().enumerate() {
        refuse_nul(index, arg)?;
        line.push(SPACE);
        push_argument(&mut line, arg);
    }
    finish(line)
}

/// The NUL-terminated command line for cmd.exe (`interpreter`) that runs a batch file. Refuses what cmd.exe can't pass.
pub(crate) fn batch(interpreter: &Path, script: &Path, args: &[OsString]) -> Result<Vec<u16>, String> {
    let mut line = Vec::new();
    push_program(&mut line, interpreter)?;
    // /d: no AutoRun commands from the registry; /e:on: extensions, for the trick with % below; /v:off: `!` is a
    // character; /s /c "…": exactly the outer pair of quotes is removed.
    line.extend(" /e:on /v:off /d /s /c \"".encode_utf16());
    push_program(&mut line, script)?;
    for (index, arg) in args.iter().enumerate() {
        refuse_nul(index, arg)?;
        if arg.encode_wide().any(|unit| unit == u16::from(b'\n') || unit == u16::from(b'\r')) {
            return Err(format!("argument {} has a line break, which can't be passed to a batch file", index + 1));
        }
        line.push(SPACE);
        push_batch_argument(&mut line, arg);
    }
    line.push(QUOTE);
    finish(line)
}

/// The first word. It is read without escapes: everything between two quotes.
fn push_program(line: &mut Vec<u16>, program: &Path) -> Result<(), String> {
    if program.as_os_str().encode_wide().any(|unit| unit == QUOTE || unit == 0) {
        return Err(format!("{} is no file name on Windows", program.display()));
    }
    line.push(QUOTE);
    line.extend(program.as_os_str().encode_wide());
    line.push(QUOTE);
    Ok(())
}

/// Backslashes count only before a quote: there, 2n mean n and 2n + 1 mean n and a literal quote.
fn push_argument(line: &mut Vec<u16>, arg: &OsStr) {
    let special = |unit: u16| unit == SPACE || unit == TAB || (0x0A..=0x0D).contains(&unit);
    let quoted = arg.is_empty() || arg.encode_wide().any(special);
    if quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for unit in arg.encode_wide() {
        if unit == QUOTE {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    if quoted {
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
}

/// Quoted unless it is plainly harmless; `"` is doubled; `%` becomes `%%cd:~,%`, an empty piece of %CD% and a percent
/// sign, so that `%NAME%` reaches the batch file as it is.
fn push_batch_argument(line: &mut Vec<u16>, arg: &OsStr) {
    let harmless = |unit: u16| {
        u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || b"#$*+-./:?@\\_".contains(&byte))
            || unit >= 0xA0
    };
    let quoted = arg.is_empty() || arg.encode_wide().last() == Some(BACKSLASH) || !arg.encode_wide().all(harmless);
    if quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for unit in arg.encode_wide() {
        if unit == QUOTE {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
            line.push(QUOTE);
        } else if unit == PERCENT {
            line.extend("%%cd:~,".encode_utf16());
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    if quoted {
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
}

fn refuse_nul(index: usize, arg: &OsStr) -> Result<(), String> {
    if arg.encode_wide().any(|unit| unit == 0) {
        return Err(format!("argument {} has a NUL character", index + 1));
    }
    Ok(())
}

fn finish(mut line: Vec<u16>) -> Result<Vec<u16>, String> {
    line.push(0);
    if line.len() > UNITS_MAX {
        return Err(format!(
            "its command line is {} characters long; Windows allows {}",
            line.len() - 1,
            UNITS_MAX - 1
        ));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[u16]) -> String {
        String::from_utf16(line).unwrap().trim_end_matches('\0').to_owned()
    }

    fn check(args: &[&str], expected: &str) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let line = program(Path::new(r"C:\a b\p.exe"), &args).unwrap();
        assert_eq!(shown(&line), format!(r#""C:\a b\p.exe"{expected}"#), "{args:?}");
    }

    #[test]
    fn arguments_are_quoted_by_the_rules_of_the_c_run_time() {
        check(&[], "");
        check(&["a", "b"], " a b");
        check(&[""], r#" """#);
        check(&["a b"], r#" "a b""#);
        check(&["a\tb"], " \"a\tb\"");
        check(&["a\nb"], " \"a\nb\"");
        check(&[r"C:\dir\"], r" C:\dir\");
        check(&[r"C:\a dir\"], r#" "C:\a dir\\""#);
        check(&[r#"say "hi""#], r#" "say \"hi\"""#);
        check(&[r#"""#], r#" \""#);
        check(&[r#"a\"b"#], r#" a\\\"b"#);
        check(&[r#"a\\b c"#], r#" "a\\b c""#);
        check(&["%PATH%", "^", "&", "*"], " %PATH% ^ & *");
        check(&["ä字😀"], " ä字😀");
    }

    #[test]
    fn a_command_line_of_32766_characters_is_the_longest() {
        let length = |extra: usize| {
            let start = r#""C:\p.exe" "#.len();
            program(Path::new(r"C:\p.exe"), &["x".repeat(32_766 - start + extra).into()])
        };
        assert_eq!(length(0).unwrap().len(), 32_767);
        assert_eq!(length(1).unwrap_err(), "its command line is 32767 characters long; Windows allows 32766");
    }

    #[test]
    fn what_cannot_be_passed_is_refused() {
        let cmd = Path::new(r"C:\cmd.exe");
        assert!(program(cmd, &["a\0b".into()]).unwrap_err().contains("argument 1 has a NUL"));
        assert!(program(Path::new("a\"b"), &[]).unwrap_err().contains("no file name"));
        assert!(batch(cmd, Path::new(r"C:\x.bat"), &["ok".into(), "a\nb".into()]).unwrap_err().contains("argument 2"));
    }

    #[test]
    fn batch_arguments_are_quoted_for_cmd() {
        let check = |arg: &str, expected: &str| {
            let line = batch(Path::new(r"C:\cmd.exe"), Path::new(r"C:\a b\x.cmd"), &[arg.into()]).unwrap();
            assert_eq!(shown(&line), format!(r#""C:\cmd.exe" /e:on /v:off /d /s /c ""C:\a b\x.cmd" {expected}""#));
        };
        check("plain", "plain");
        check("", r#""""#);
        check("a b", r#""a b""#);
        check("a&b", r#""a&b""#);
        check(r"dir\", r#""dir\\""#);
        check("%PATH%", r#""%%cd:~,%PATH%%cd:~,%""#);
        check(r#"a"&calc"#, r#""a""&calc""#);
        check(r#"a\"b"#, r#""a\\""b""#);
    }
}
