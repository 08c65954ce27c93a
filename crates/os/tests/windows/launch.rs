//! Where a program is and where it works.

use std::path::Path;

use mainstay_os::environment;
use mainstay_os::tree::{Exit, SpawnError};

use crate::bed;

#[test]
fn a_program_beside_the_folder_of_the_same_first_word_is_not_taken_for_it() {
    bed::run(async {
        let (_keep, folder) = bed::folder();
        let inside = folder.join("Prog Dir").join("ä字😀");
        std::fs::create_dir_all(&inside).unwrap();
        let program = inside.join("a b.exe");
        std::fs::copy(bed::TESTBED, &program).unwrap();
        // Were the command line searched for the program, this file would be the first found.
        std::fs::write(folder.join("Prog.exe"), "planted").unwrap();
        let args = ["exit".into(), "5".into()];
        let (_, exit) = bed::start_program(&program, &args, &environment::inherited()).unwrap().rest().await;
        assert_eq!(exit, Exit::Code(5));
    });
}

/// Wine starts no program with a path over 254 characters, in no form, so this one is just long enough for `\\?\`.
#[test]
fn a_program_with_a_long_path_is_started_by_its_extended_form() {
    bed::run(async {
        let (_keep, folder) = bed::folder();
        let room = 252 - folder.as_os_str().len() - r"\\long.exe".len();
        let inside = folder.join("x".repeat(room / 2)).join("y".repeat(room - room / 2));
        std::fs::create_dir_all(&inside).unwrap();
        let program = inside.join("long.exe");
        std::fs::copy(bed::TESTBED, &program).unwrap();
        let args = ["exit".into(), "6".into()];
        let (_, exit) = bed::start_program(&program, &args, &environment::inherited()).unwrap().rest().await;
        assert_eq!(exit, Exit::Code(6));
    });
}

#[test]
fn a_working_directory_that_windows_cannot_use_is_refused_with_a_clear_text() {
    bed::run(async {
        let (_keep, folder) = bed::folder();
        let inside = folder.join("x".repeat(120)).join("y".repeat(120));
        std::fs::create_dir_all(&inside).unwrap();
        let program = Path::new(bed::TESTBED);
        let refused = bed::start_in(program, &[], &environment::inherited(), &inside).err().unwrap();
        assert!(matches!(refused, SpawnError::Directory { .. }), "{refused}");
        assert!(refused.to_string().contains("Windows allows 258 for a working directory"), "{refused}");
    });
}

#[test]
fn what_is_wrong_is_said() {
    bed::run(async {
        let (_keep, folder) = bed::folder();
        let text = folder.join("text.exe");
        std::fs::write(&text, "no program").unwrap();
        let env = environment::inherited();
        let no_program = bed::start_program(&text, &[], &env).err().unwrap();
        assert!(matches!(no_program, SpawnError::Program { .. }), "{no_program}");
        let missing = bed::start_program(&folder.join("missing.exe"), &[], &env).err().unwrap();
        assert!(matches!(missing, SpawnError::Program { .. }), "{missing}");
        let no_folder = bed::start_in(&text, &[], &env, &folder.join("missing")).err().unwrap();
        assert!(matches!(no_folder, SpawnError::Directory { .. }), "{no_folder}");
        assert!(no_folder.to_string().starts_with("cannot use "), "{no_folder}");
    });
}
