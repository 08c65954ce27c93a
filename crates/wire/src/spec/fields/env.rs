//! The program's environment.

use std::ops::Range;

use mainstay_core::spec::{Env, EnvValue};
use toml::de::DeValue;

use super::launch::path;
use crate::expand::references;
use crate::spec::Platform;
use crate::spec::section::{Reader, Section, Value};

/// The longest value that Windows passes on, in UTF-16 units: SetEnvironmentVariableW.
const WINDOWS_VALUE_UNITS_MAX: usize = 32_767;

/// A variable as it stands in the text.
struct Var {
    name: String,
    value: EnvValue,
    place: Range<usize>,
}

pub(super) fn env(reader: &Reader<'_>, root: &Section<'_, '_, '_>) -> Env {
    let inherit = root.take("env-inherit", |key, value| reader.boolean(key, value)).unwrap_or(true);
    let unset = root.take("env-unset", |key, value| names(reader, key, value)).unwrap_or_default();
    let files = root.take("env-files", |key, value| files(reader, key, value)).unwrap_or_default();
    // Before the others, which may refer to them.
    let mut vars = root.take("env-secrets", |key, value| vars(reader, key, value, secret)).unwrap_or_default();
    vars.extend(root.take("env", |key, value| self::vars(reader, key, value, text)).unwrap_or_default());
    let path_prepend = root.take("path-prepend", |key, value| folders(reader, key, value)).unwrap_or_default();
    let path_append = root.take("path-append", |key, value| folders(reader, key, value)).unwrap_or_default();
    check_duplicates(reader, &vars);
    check_order(reader, &vars);
    let vars = vars.into_iter().map(|var| (var.name, var.value)).collect();
    Env { inherit, unset, files, vars, path_prepend, path_append }
}

fn names<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let names = reader.strings(key, value)?;
    if let Some(bad) = names.iter().find(|name| !is_name(name, reader.platform)) {
        reader.problem(value.span(), format!("`{key}`: `{bad}` cannot be a variable's name"), None);
        return None;
    }
    Some(names)
}

fn files<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let files = reader.filled_list(key, value)?;
    if files.iter().any(|file| file.trim_end_matches('?').trim().is_empty()) {
        reader.problem(value.span(), format!("`{key}` names no file"), None);
        return None;
    }
    Some(files)
}

fn folders<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let folders = reader.strings(key, value)?;
    let separator = match reader.platform {
        Platform::Windows => ';',
        Platform::Linux => ':',
    };
    if let Some(bad) = folders.iter().find(|folder| folder.trim().is_empty() || folder.contains(separator)) {
        let message = format!("`{key}`: `{bad}` is not one folder");
        reader.problem(value.span(), message, Some("write each folder as an element of the list".to_owned()));
        return None;
    }
    Some(folders)
}

/// How the value of one variable is read.
type ReadValue = for<'a, 't> fn(&Reader<'t>, &str, Value<'a, 't>) -> Option<EnvValue>;

fn vars<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>, read: ReadValue) -> Option<Vec<Var>> {
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong_kind(key, "a table such as { GIN_MODE = \"release\" }", value.get_ref(), value.span());
    };
    let mut vars = Vec::new();
    for (name, value) in table {
        let text: &str = name.get_ref();
        if !is_name(text, reader.platform) {
            reader.problem(name.span(), format!("`{text}` cannot be a variable's name"), None);
            continue;
        }
        if let Some(value) = read(reader, &format!("{key}.{text}"), value) {
            vars.push(Var { name: text.to_owned(), value, place: name.span() });
        }
    }
    Some(vars)
}

fn text<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<EnvValue> {
    let text = reader.filled(key, value)?;
    if reader.platform == Platform::Windows && text.encode_utf16().count() > WINDOWS_VALUE_UNITS_MAX {
        let message = format!("`{key}` has over {WINDOWS_VALUE_UNITS_MAX} characters, the most Windows passes");
        reader.problem(value.span(), message, None);
        return None;
    }
    Some(EnvValue::Text(text))
}

fn secret<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<EnvValue> {
    path(reader, key, value).map(EnvValue::Secret)
}

/// Windows keeps the current folder of each drive in variables such as `=C:`.
fn is_name(name: &str, platform: Platform) -> bool {
    let rest = match platform {
        Platform::Windows => name.strip_prefix('=').unwrap_or(name),
        Platform::Linux => name,
    };
    !rest.is_empty() && !rest.contains(['=', '\0'])
}

fn same(a: &str, b: &str, platform: Platform) -> bool {
    match platform {
        Platform::Windows => a.to_uppercase() == b.to_uppercase(),
        Platform::Linux => a == b,
    }
}

fn check_duplicates(reader: &Reader<'_>, vars: &[Var]) {
    for (index, var) in vars.iter().enumerate() {
        let Some(first) = vars.iter().take(index).find(|other| same(&other.name, &var.name, reader.platform)) else {
            continue;
        };
        let message = if matches!(first.value, EnvValue::Secret(_)) && matches!(var.value, EnvValue::Text(_)) {
            format!("`{}` is in `env-secrets` too", var.name)
        } else {
            format!("`{}` and `{}` are the same variable on Windows", first.name, var.name)
        };
        reader.problem(var.place.clone(), message, Some("keep one of them".to_owned()));
    }
}

/// A value can use what is above it. One that refers to its own name means what was there before.
fn check_order(reader: &Reader<'_>, vars: &[Var]) {
    for (index, var) in vars.iter().enumerate() {
        let later: Vec<usize> = targets(var, vars, reader.platform).filter(|target| *target > index).collect();
        let Some(first) = later.first().and_then(|target| vars.get(*target)) else { continue };
        let Some(path) = later.iter().find_map(|target| way(vars, *target, index, reader.platform)) else {
            let message = format!("`env.{}` refers to `{}`, which is set only further down", var.name, first.name);
            reader.problem(var.place.clone(), message, Some(format!("move `{}` above it", first.name)));
            continue;
        };
        // A loop is told once: at the first of its variables.
        if path.iter().all(|at| *at >= index) {
            let names: Vec<&str> = path.iter().filter_map(|at| vars.get(*at)).map(|var| var.name.as_str()).collect();
            let message = format!("`env.{}` refers to itself: {} → {}", var.name, var.name, names.join(" → "));
            reader.problem(var.place.clone(), message, None);
        }
    }
}

/// The places of the variables that this one refers to, but for itself.
fn targets<'v>(var: &'v Var, vars: &'v [Var], platform: Platform) -> impl Iterator<Item = usize> + 'v {
    let text = match &var.value {
        EnvValue::Text(text) => text.as_str(),
        EnvValue::Secret(_) => "",
    };
    references(text)
        .filter(move |name| !same(name, &var.name, platform))
        .filter_map(move |name| vars.iter().position(|other| same(&other.name, name, platform)))
}

/// By which variables one leads to another: both included.
fn way(vars: &[Var], from: usize, to: usize, platform: Platform) -> Option<Vec<usize>> {
    // Breadth first: the shortest way says it best. Each place with the one it was reached from.
    let mut reached: Vec<(usize, Option<usize>)> = vec![(from, None)];
    let mut next = 0;
    while let Some((at, _)) = reached.get(next).copied() {
        if at == to {
            let mut path = Vec::new();
            let mut step = Some(next);
            while let Some((at, before)) = step.and_then(|step| reached.get(step)).copied() {
                path.push(at);
                step = before;
            }
            path.reverse();
            return Some(path);
        }
        for target in vars.get(at).into_iter().flat_map(|var| targets(var, vars, platform)) {
            if !reached.iter().any(|(known, _)| *known == target) {
                reached.push((target, Some(next)));
            }
        }
        next += 1;
    }
    None
}
