//! What is true of every text.

use proptest::prelude::*;

use crate::spec::schema::tests::assert_fits;
use crate::spec::{Platform, keys, read, set, show, template};

/// A value as a literal of TOML.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    texts.iter().map(String::as_str).collect::<toml_edit::Array>().to_string()
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = read("payment", &text, Platform::Windows);
    }

    /// Any value at any key: wrong ones too.
    #[test]
    fn no_value_makes_the_reader_panic(
        at in 0..keys::all().count(), name in "[a-z]{1,3}(@[0-9])?",
        value in prop_oneof!["-?[0-9]{1,12}", "\"[ -!#-\\[\\]-~]{0,9}\"", Just("[]".to_owned()), Just("{}".to_owned()), "\\[\"[a-z:@]{0,6}\"\\]", Just("true".to_owned())],
    ) {
        let key = keys::all().nth(at).unwrap().path.replace(".*.", ".on-exit.");
        for platform in [Platform::Windows, Platform::Linux] {
            let _ = read(&name, &format!("program = 'x'\n{key} = {value}\n"), platform);
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_spec(
        program in "[a-z]{1,9}", args in proptest::collection::vec("[^\\x00]{0,12}", 0..4), delay_ms in 0u64..100_000_000,
        restarts in 0u32..100, keep in 0u32..50, code in -5i64..300, env in proptest::collection::vec(("[A-Z]{1,5}", "[^\\x00$%]{0,9}"), 0..3),
    ) {
        let mut text = template(&program, &args, None);
        text.push_str(&format!("\n[restart]\ndelay = '{delay_ms}ms'\nquarantine = {{ restarts = {restarts}, within = '90s' }}\n"));
        text.push_str(&format!("exit-codes = {{ {code} = 'done' }}\n[log]\nrotate = {{ size = '5MiB', keep = {keep}, every = 'week', on = 'sunday', at = '02:30', keep-for = '30d', total = '2GiB', compress = 'zstd' }}\nredact = ['a+']\nrate-limit = {{ lines = 5 }}\nmultiline = {{ start = '^x' }}\n"));
        for (name, value) in &env {
            text = set("payment", &text, &format!("env.{name}"), value, Platform::Linux).unwrap();
        }
        let spec = read("payment", &text, Platform::Linux).unwrap();
        assert_fits(&text);
        prop_assert_eq!(&read("payment", &show(&spec), Platform::Linux).unwrap(), &spec);
    }

    #[test]
    fn the_rest_is_shown_as_it_was_read(
        groups in proptest::collection::vec("[a-z][a-z0-9.-]{0,5}z", 0..4), after in proptest::collection::vec("(x|@x|os:x)[a-z]{1,3}", 0..2),
        fails in 0..3usize, instances in proptest::option::of(1u32..50), number in 1u32..50, first_port in 1000u16..60_000,
        command in proptest::collection::vec("[^\\x00]{0,12}", 0..3), timeout_ms in 10u64..1_000_000, codes in proptest::collection::vec(-300i64..300, 0..4),
        cpus in proptest::collection::vec((0u16..1000, 0u16..20), 1..4), memory in (1u64 << 20)..(1 << 45), nice in -20i8..=19, umask in 0u32..0o1000,
        limit in proptest::option::of(0u64..1 << 62), capabilities in proptest::collection::vec(0usize..41, 0..5),
        patterns in proptest::collection::vec("[*?.a-z]{1,6}", 0..3), folders in proptest::collection::vec("/[a-z ]{0,6}[a-z]", 0..3), inherit: bool,
    ) {
        let fails = ["keep", "stop", "restart"][fails];
        let after: Vec<String> = after.iter().enumerate().map(|(index, name)| match name.starts_with("os:") {
            true => quoted(&format!("{name}{index}")),
            false => format!("{{ service = {}, fails = '{fails}' }}", quoted(&format!("{name}{index}"))),
        }).collect();
        let command: Vec<String> = ["hook".to_owned()].into_iter().chain(command).collect();
        let codes: Vec<String> = codes.iter().filter(|code| **code & 0xFF != 0).map(i64::to_string).collect();
        let cpus: Vec<String> = cpus.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        let names: Vec<String> = capabilities.iter().map(|at| mainstay_core::spec::CAPABILITIES[*at].to_owned()).collect();
        let limit = limit.map_or_else(|| "'unlimited'".to_owned(), |limit| limit.to_string());
        let count = instances.map_or_else(String::new, |count| format!("instances = {count}\n"));
        let last_port = first_port + u16::try_from(instances.unwrap_or(1)).unwrap() - 1;
        let text = format!(
            "program = 'x'\ngroups = {}\nafter = [{}]\n{count}ports = '{first_port}-{last_port}'\nenv-inherit = {inherit}\npath-append = {}\n\
             env-secrets = {{ S = 'x' }}\nenv = {{ A = '${{S}}', B = '${{MAINSTAY_PORT}}' }}\nready.tcp = 'localhost:${{MAINSTAY_PORT}}'\n\
             [account]\ncapabilities = {}\n\
             [resources]\naffinity = '{}'\nmemory = {memory}\nnice = {nice}\numask = '{umask:04o}'\nlimits = {{ core = {limit} }}\n\
             [hooks]\npre-start = {{ command = {}, timeout = '{timeout_ms}ms', abort-on = [{}] }}\non-exit = {}\n\
             [reload]\ncommand = {}\n[watch]\npaths = ['.']\nonly = {}\nignore = {}\nthen = 'reload'\n",
            list(&groups), after.join(", "), list(&folders), list(&names), cpus.join(","), list(&command), codes.join(", "), list(&command),
            list(&command), list(&patterns), list(&patterns),
        );
        let one = instances.map(|count| format!("shop@{}", number.min(count)));
        for name in ["shop".to_owned()].into_iter().chain(one) {
            let spec = read(&name, &text, Platform::Linux).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            assert_fits(&text);
            let shown = show(&spec);
            assert_fits(&shown);
            prop_assert_eq!(&read(&name, &shown, Platform::Linux).unwrap(), &spec, "{}", shown);
        }
    }
}
