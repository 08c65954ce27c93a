//! Which crate may depend on which: the picture in ARCHITECTURE.md, enforced.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Problem;

/// Our crates and what each may use of ours. The decisions (`core`) know nobody, so they can be tested with plain values; the platform (`os`)
/// knows nobody, so it can be read without the product; only the shells know both.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("mainstay-core", &[]),
    ("mainstay-os", &[]),
    ("mainstay-wire", &["mainstay-core"]),
    ("mainstay-guard", &["mainstay-core", "mainstay-wire", "mainstay-os"]),
    ("mainstay-logs", &["mainstay-core", "mainstay-wire", "mainstay-os"]),
    ("mainstay-ship", &["mainstay-wire"]),
    ("mainstay-agent", &["mainstay-core", "mainstay-wire", "mainstay-os", "mainstay-logs", "mainstay-ship"]),
    ("mainstay", &["mainstay-agent", "mainstay-guard", "mainstay-logs", "mainstay-wire", "mainstay-os"]),
    ("mainstay-sim", &["mainstay-core", "mainstay-wire"]),
    ("xtask", &["mainstay-core", "mainstay-sim", "mainstay-wire"]),
    ("fixture-child", &[]),
];

/// There is one guard per service: a hundred of them must be small. What an agent needs is not for them.
const TOO_HEAVY_FOR_GUARD: [&str; 6] = ["axum", "rusqlite", "tonic", "reqwest", "object_store", "minijinja"];

/// One crate knows the operating system, so that there is one place to look when a platform misbehaves.
const ONLY_FOR_OS: [&str; 5] = ["libc", "rustix", "windows", "windows-sys", "windows-service"];

/// Test programs stand outside: the fixture misbehaves in ways only the OS offers.
const TEST_PROGRAMS: [&str; 1] = ["fixture-child"];

pub(super) fn check(metadata: &Value) -> Vec<Problem> {
    let packages = packages(metadata);
    let ours: Vec<&Package> = packages.values().filter(|package| package.is_ours).collect();
    let names: BTreeSet<&str> = ours.iter().map(|package| package.name).collect();
    let mut problems = Vec::new();
    for package in &ours {
        problems.extend(check_package(package, &names));
    }
    if let Some(guard) = ours.iter().find(|package| package.name == "mainstay-guard") {
        problems.extend(check_weight(guard, metadata, &packages));
    }
    problems
}

/// The parts of a package that the rules look at.
struct Package<'a> {
    name: &'a str,
    manifest: String,
    is_ours: bool,
    /// Name and kind (`dev`, `build`, or empty) of each dependency that the manifest names.
    dependencies: Vec<(&'a str, &'a str)>,
}

fn packages(metadata: &Value) -> BTreeMap<&str, Package<'_>> {
    let root = text(&metadata["workspace_root"]);
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).iter().map(text).collect();
    let mut packages = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let path = text(&package["manifest_path"]);
        let manifest = path.strip_prefix(root).unwrap_or(path).trim_start_matches(['/', '\\']).replace('\\', "/");
        let named = list(&package["dependencies"]).iter();
        let dependencies = named.map(|named| (text(&named["name"]), text(&named["kind"]))).collect();
        let (id, name) = (text(&package["id"]), text(&package["name"]));
        packages.insert(id, Package { name, manifest, is_ours: members.contains(id), dependencies });
    }
    packages
}

fn check_package(package: &Package<'_>, ours: &BTreeSet<&str>) -> Vec<Problem> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        let why = format!("{} is new: say in xtask/src/tidy/edges.rs what it may depend on", package.name);
        return vec![Problem::new(&package.manifest, 0, why)];
    };
    let mut problems = Vec::new();
    // Tests may look across: a dev-dependency ships nothing.
    for (name, _) in package.dependencies.iter().filter(|(_, kind)| *kind != "dev") {
        if ours.contains(name) && !allowed.contains(name) {
            let why = format!("{} must not depend on {name}; it may use {allowed:?} of ours", package.name);
            problems.push(Problem::new(&package.manifest, 0, why));
        }
        let is_os = package.name == "mainstay-os" || TEST_PROGRAMS.contains(&package.name);
        if ONLY_FOR_OS.contains(name) && !is_os {
            let why = format!("{} must not use {name}: only mainstay-os talks to the operating system", package.name);
            problems.push(Problem::new(&package.manifest, 0, why));
        }
    }
    for (name, _) in package.dependencies.iter().filter(|(_, kind)| *kind == "dev") {
        let pure = matches!(package.name, "mainstay-core" | "mainstay-os");
        if pure && ours.contains(name) && *name != "fixture-child" {
            let why = format!("{} must not know {name}, not even in tests", package.name);
            problems.push(Problem::new(&package.manifest, 0, why));
        }
    }
    problems
}

/// Walks the guard's whole tree and tells how a crate got in.
fn check_weight(guard: &Package<'_>, metadata: &Value, packages: &BTreeMap<&str, Package<'_>>) -> Vec<Problem> {
    let nodes: BTreeMap<&str, &Value> = list(metadata.pointer("/resolve/nodes").unwrap_or(&Value::Null))
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let Some((start, _)) = packages.iter().find(|(_, package)| package.name == guard.name) else { return Vec::new() };
    let mut problems = Vec::new();
    let mut seen = BTreeSet::from([*start]);
    let mut open = vec![(*start, guard.name.to_owned())];
    while let Some((id, way)) = open.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for next in list(&node["deps"]).iter().filter(|next| is_shipped(next)) {
            let next = text(&next["pkg"]);
            let name = packages.get(next).map_or("", |package| package.name);
            if !seen.insert(next) {
                continue;
            }
            let way = format!("{way} → {name}");
            if TOO_HEAVY_FOR_GUARD.contains(&name) {
                let why = format!("{name} is too heavy for a guard, of which there are hundreds: {way}");
                problems.push(Problem::new(&guard.manifest, 0, why));
            }
            open.push((next, way));
        }
    }
    problems
}

/// Part of the program, not only of its tests.
fn is_shipped(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).iter().any(|kind| text(&kind["kind"]) != "dev")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two members and a stranger, as `cargo metadata` would tell of them.
    fn metadata(core_depends_on: &str, kind: Value) -> Value {
        let dependency = serde_json::json!([{ "name": core_depends_on, "kind": kind }]);
        let package = |name: &str, dependencies: &Value| serde_json::json!({ "id": name, "name": name, "manifest_path": format!("/w/crates/{name}/Cargo.toml"), "dependencies": dependencies });
        let link = |name: &str| serde_json::json!({ "pkg": name, "dep_kinds": [{ "kind": null }] });
        let empty = serde_json::json!([]);
        serde_json::json!({
            "workspace_root": "/w",
            "workspace_members": ["mainstay-core", "mainstay-os", "mainstay-guard"],
            "packages": [
                package("mainstay-core", &dependency), package("mainstay-os", &empty), package("mainstay-guard", &empty),
                package("hyper", &empty), package("axum", &empty),
            ],
            "resolve": { "nodes": [
                { "id": "mainstay-guard", "deps": [link("hyper")] }, { "id": "hyper", "deps": [link("axum"), link("hyper")] },
                { "id": "axum", "deps": [] },
            ] },
        })
    }

    fn told(metadata: &Value) -> Vec<String> {
        check(metadata).into_iter().map(|problem| format!("{}: {}", problem.path, problem.why)).collect()
    }

    #[test]
    fn a_forbidden_edge_and_a_heavy_guard_are_found() {
        let found = told(&metadata("mainstay-os", Value::Null));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/mainstay-core/Cargo.toml: mainstay-core must not depend on mainstay-os"));
        assert!(found[1].ends_with("mainstay-guard → hyper → axum"), "{}", found[1]);
    }

    #[test]
    fn the_os_is_for_one_crate_and_pure_crates_know_nobody_in_tests_either() {
        assert!(told(&metadata("libc", Value::Null))[0].contains("only mainstay-os talks"));
        assert!(told(&metadata("mainstay-os", "dev".into()))[0].contains("not even in tests"));
        assert_eq!(told(&metadata("proptest", "dev".into())).len(), 1, "only the guard's weight is left");
    }
}
