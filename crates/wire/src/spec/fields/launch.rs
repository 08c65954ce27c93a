//! What is run: the program, its arguments and what it reads.

use mainstay_core::spec::{Launch, Stdin};
use toml::de::DeValue;

use super::{account, env, resources};
use crate::spec::Platform;
use crate::spec::section::{Reader, Section, Value};

/// Windows' limit for a whole command line is 32,767 UTF-16 units; Linux' for one argument is 128 KiB.
const ARG_BYTES_MAX: usize = 128 << 10;

pub(super) fn launch(reader: &Reader<'_>, root: &Section<'_, '_, '_>) -> Option<Launch> {
    let program = root.take("program", |key, value| {
        let program = reader.filled(key, value)?;
        if program.trim().is_empty() {
            reader.problem(value.span(), "`program` is empty", Some("name the file to run".to_owned()));
            return None;
        }
        Some(program)
    });
    if !root.has("program") {
        reader.problem(0..0, "`program` is missing", Some("add program = 'path of the file to run'".to_owned()));
    }
    let args = root.take("args", |key, value| args(reader, key, value)).unwrap_or_default();
    let directory = root.take("directory", |key, value| reader.filled(key, value));
    let stdin = root.take("stdin", |key, value| stdin(reader, key, value)).unwrap_or(Stdin::Closed);
    let env = env::env(reader, root);
    let account = root.take("account", |key, value| account::account(reader, key, value));
    let resources = root.take("resources", |key, value| resources::resources(reader, key, value));
    let breakaway = root.take("breakaway", |key, value| reader.boolean(key, value)).unwrap_or(false);
    Some(Launch {
        program: program?,
        args,
        directory,
        env,
        stdin,
        account: account.unwrap_or_default(),
        resources: resources.unwrap_or_default(),
        breakaway,
    })
}

fn args<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let args = reader.filled_list(key, value)?;
    if let Some(long) = args.iter().find(|arg| arg.len() > ARG_BYTES_MAX) {
        let message = format!("`{key}` has an argument of {} bytes; at most {ARG_BYTES_MAX} can be passed", long.len());
        reader.problem(value.span(), message, None);
    }
    let units: usize = args.iter().map(|arg| arg.encode_utf16().count() + 3).sum();
    if reader.platform == Platform::Windows && units > 32_767 {
        reader.problem(
            value.span(),
            format!("`{key}` makes a command line of over 32,767 characters, the most Windows passes"),
            None,
        );
    }
    Some(args)
}

/// A file's name, which can't be empty.
pub(super) fn path<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<String> {
    let path = reader.filled(key, value)?;
    if path.trim().is_empty() {
        reader.problem(value.span(), format!("`{key}` names no file"), None);
        return None;
    }
    Some(path)
}

fn stdin<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Stdin> {
    const WORDS: [(&str, Word); 2] = [("closed", Word::Closed), ("open", Word::Open)];
    match value.get_ref() {
        DeValue::String(_) => match reader.choice(key, value, &WORDS)? {
            Word::Closed => Some(Stdin::Closed),
            Word::Open => Some(Stdin::Open),
        },
        DeValue::Table(_) => {
            let section = reader.section(key, value)?;
            let file = section.take("file", |key, value| path(reader, key, value));
            if !section.has("file") {
                let help = Some("add file = 'path'".to_owned());
                reader.problem(section.span(), format!("`{key}.file` is missing"), help);
            }
            section.finish();
            file.map(Stdin::File)
        }
        other => reader.wrong_kind(
            key,
            "\"closed\", \"open\" or a table such as { file = \"input.txt\" }",
            other,
            value.span(),
        ),
    }
}

/// [`Stdin`] as one word.
#[derive(Clone, Copy)]
enum Word {
    Closed,
    Open,
}
