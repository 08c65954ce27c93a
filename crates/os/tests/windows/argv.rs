//! The child's arguments are the ones we were given.

use std::ffi::OsString;
use std::path::Path;

use mainstay_os::environment;
use mainstay_os::tree::{Exit, SpawnError};

use crate::bed;

const NASTY: [&str; 22] = [
    "plain",
    "",
    " ",
    "a b",
    "a\tb",
    "a\nb",
    r"C:\dir\",
    r"C:\a dir\",
    r"\\",
    r#"""#,
    r#"\""#,
    r#"a\"b c"#,
    r#"a\\"#,
    r#"a b\\"#,
    r#""quoted""#,
    "%PATH%",
    "^&|<>!",
    "*.exe",
    "ä字😀",
    "--name=value with spaces",
    "a;b,c=d",
    "'",
];

#[test]
fn a_child_gets_its_arguments_unchanged() {
    bed::run(async {
        let mut words = vec!["args"];
        words.extend(NASTY);
        let (said, exit) = bed::start(&words).rest().await;
        let expected: Vec<String> = NASTY.iter().map(|arg| format!("{:?}", OsString::from(arg))).collect();
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
        assert_eq!(exit, Exit::Code(0));
    });
}

#[test]
fn a_command_line_of_nearly_32_767_characters_arrives_and_a_longer_one_is_refused() {
    bed::run(async {
        let long = "x".repeat(32_000);
        let (said, _) = bed::start(&["args", &long]).rest().await;
        assert_eq!(said.trim_end().len(), long.len() + 2);

        let longer: OsString = "x".repeat(32_767).into();
        let env = environment::inherited();
        let refused = bed::start_program(Path::new(bed::TESTBED), &[longer], &env).err().unwrap();
        assert!(matches!(refused, SpawnError::Argument { .. }), "{refused}");
        assert!(refused.to_string().contains("Windows allows 32766"), "{refused}");
    });
}

#[test]
fn a_batch_file_gets_its_arguments_through_cmd() {
    bed::run(async {
        let (_keep, folder) = bed::folder();
        let script = folder.join("with space & co.cmd");
        std::fs::write(&script, format!("@\"{}\" args %*\r\n@exit /b 7\r\n", bed::TESTBED)).unwrap();
        let args: Vec<OsString> = ["plain", "a b", "a&b", "", r"dir\", "ä字"].iter().map(OsString::from).collect();
        let (said, exit) = bed::start_program(&script, &args, &environment::inherited()).unwrap().rest().await;
        let expected: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
        assert_eq!(exit, Exit::Code(7));
    });
}
