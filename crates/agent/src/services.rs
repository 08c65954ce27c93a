//! Which services a home has: a spec each, or one spec for several instances.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::pattern;
use mainstay_wire::spec::{self, Platform, Spec, nearest};

/// The specs of a home, each file read once and understood only when something in it is asked for.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// By the name of the file.
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone)]
struct File {
    text: String,
    /// What the instances were when the spec was last good: a bad one leaves them alone.
    last_good: Option<String>,
    spec: OnceCell<Option<Spec>>,
}

impl Services {
    /// Reads the folder of specs; one that can't be read stays in the list without a spec.
    ///
    /// # Errors
    /// When the folder can't be read; one that does not exist has no services.
    pub fn read(layout: &Layout) -> io::Result<Self> {
        let entries = match std::fs::read_dir(&layout.specs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            // The file of an instance alone would be no one's: all instances of a service share one.
            let Some(name) = Layout::service_of(&path).filter(|name| base_name(name).1.is_none()) else { continue };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let last_good = last_good(layout, &name);
            files.insert(name, File { text, last_good, spec: OnceCell::new() });
        }
        Ok(Self { files })
    }

    /// The same as if the spec of `name` had this text.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        let file = File { text: text.to_owned(), last_good: None, spec: OnceCell::new() };
        self.files.insert(name.to_owned(), file);
        self
    }

    /// The names of the specs, sorted.
    pub fn specs(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The spec of this file or instance; `None`: there is none, or it is bad.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<&Spec> {
        let base = base_name(name).0;
        let file = self.files.get(base)?;
        file.spec.get_or_init(|| understood(base, &file.text)).as_ref()
    }

    /// The text of this file or instance's spec.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.files.get(base_name(name).0).map(|file| file.text.as_str())
    }

    /// How many instances this spec makes; `None`: one service under its plain name.
    #[must_use]
    pub fn count(&self, base: &str) -> Option<u32> {
        let file = self.files.get(base)?;
        // Most specs never speak of instances: to understand all of 500 for their names would be slow.
        let last_good = file.last_good.as_ref().filter(|text| text.contains("instances"));
        if last_good.is_none() && !file.text.contains("instances") {
            return None;
        }
        let instances = match self.spec(base) {
            Some(spec) => spec.instances,
            // A bad spec changes nothing.
            None => understood(base, last_good?)?.instances,
        };
        instances.map(|instances| instances.count)
    }

    /// The services that this spec makes: its instances, or itself.
    #[must_use]
    pub fn of(&self, base: &str) -> Vec<String> {
        match self.count(base) {
            Some(count) => (1..=count).map(|number| instance(base, number)).collect(),
            None => vec![base.to_owned()],
        }
    }

    /// The names of all services, instances counted out, sorted by name and number.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.specs().flat_map(|base| self.of(base)).collect()
    }

    /// The groups that a spec belongs to.
    #[must_use]
    pub fn groups_of(&self, base: &str) -> &[String] {
        let speaks_of_groups = self.text(base).is_some_and(|text| text.contains("groups"));
        self.spec(base).filter(|_| speaks_of_groups).map_or(&[], |spec| &spec.groups)
    }

    /// The specs of a group, sorted.
    #[must_use]
    pub fn group(&self, group: &str) -> Vec<&str> {
        self.specs().filter(|base| self.groups_of(base).iter().any(|own| own == group)).collect()
    }

    /// The services that `patterns` stand for, sorted, each once. A name may have wild cards (`*`, `?`); that of a spec with instances
    /// means all of them; `@GROUP` means all of a group.
    ///
    /// # Errors
    /// The first pattern that stands for nothing, with the nearest name.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<String>, NoSuchService> {
        self.chosen(patterns, &self.names())
    }

    /// The same for verbs that are about specs: instances are one.
    ///
    /// # Errors
    /// As `select`.
    pub fn select_specs(&self, patterns: &[String]) -> Result<Vec<String>, NoSuchService> {
        let mut specs: Vec<String> = self.select(patterns)?.iter().map(|name| base_name(name).0.to_owned()).collect();
        specs.dedup();
        Ok(specs)
    }

    fn chosen(&self, patterns: &[String], all: &[String]) -> Result<Vec<String>, NoSuchService> {
        let mut selected: Vec<String> = Vec::new();
        for pattern in patterns {
            let before = selected.len();
            match pattern.strip_prefix('@') {
                Some(group) => selected.extend(self.group(group).into_iter().flat_map(|base| self.of(base))),
                None => selected.extend(all.iter().filter(|name| fits(pattern, name)).cloned()),
            }
            if selected.len() == before {
                return Err(self.nothing(pattern, all));
            }
        }
        sort(&mut selected);
        selected.dedup();
        Ok(selected)
    }

    fn nothing(&self, pattern: &str, all: &[String]) -> NoSuchService {
        let near = match pattern.strip_prefix('@') {
            Some(group) => {
                let groups = self.specs().flat_map(|base| self.groups_of(base)).map(String::as_str);
                nearest(group, groups).map(|near| format!("@{near}"))
            }
            None => nearest(pattern, self.specs().chain(all.iter().map(String::as_str))).map(str::to_owned),
        };
        NoSuchService { name: pattern.to_owned(), near }
    }
}

/// The full name of an instance.
#[must_use]
pub fn instance(base: &str, number: u32) -> String {
    format!("{base}@{number}")
}

/// By name, instances by number.
pub fn sort(names: &mut [String]) {
    names.sort_by(|a, b| base_name(a).cmp(&base_name(b)));
}

/// What was in force last: of the service under its plain name or, if that is newer, of its first instance.
fn last_good(layout: &Layout, base: &str) -> Option<String> {
    let [first, plain] = [layout.good_spec(&instance(base, 1)), layout.good_spec(base)];
    let saved = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let newest = if saved(&plain) > saved(&first) { plain } else { first };
    std::fs::read_to_string(newest).ok()
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern::matches(pattern, name) || pattern::matches(pattern, base_name(name).0)
}

fn understood(base: &str, text: &str) -> Option<Spec> {
    spec::read(base, text, Platform::named(mainstay_os::NAME)).ok()
}

/// The names of all services, instances counted out, sorted by name and number.
///
/// # Errors
/// When the folder of specs can't be read; one that does not exist has no services.
pub fn names(layout: &Layout) -> io::Result<Vec<String>> {
    Services::read(layout).map(|services| services.names())
}

/// Whether a service has a spec.
#[must_use]
pub fn exists(layout: &Layout, name: &str) -> bool {
    Path::exists(&layout.spec(name))
}

/// A name or pattern that stands for no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", what(name), near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct NoSuchService {
    /// As typed.
    pub name: String,
    /// What may have been meant.
    pub near: Option<String>,
}

fn what(name: &str) -> String {
    match name.strip_prefix('@') {
        Some(_) => format!("no service is in group `{name}`"),
        None => format!("there is no service `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(specs: &[(&str, &str)]) -> Services {
        let program = "program = 'x'\n";
        specs.iter().fold(Services::default(), |all, (name, text)| all.with(name, &format!("{program}{text}")))
    }

    fn shop() -> Services {
        services(&[
            ("api-1", ""),
            ("api-2", "groups = ['web']"),
            ("payment", ""),
            ("web", "instances = 11\ngroups = ['web', 'shop']"),
            ("web.v2", ""),
        ])
    }

    #[track_caller]
    fn select(services: &Services, patterns: &[&str]) -> Result<Vec<String>, String> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        services.select(&patterns).map_err(|error| error.to_string())
    }

    #[test]
    fn patterns_stand_for_names() {
        let all = services(&[("api-1", ""), ("api-2", ""), ("payment", ""), ("web", "")]);
        assert_eq!(select(&all, &["api-*", "web"]).unwrap(), ["api-1", "api-2", "web"]);
        assert_eq!(select(&all, &["*", "web"]).unwrap().len(), 4);
        assert_eq!(select(&all, &["a?i-2", "*-2"]).unwrap(), ["api-2"]);
        assert_eq!(select(&all, &["paymnet"]).unwrap_err(), "there is no service `paymnet`; did you mean `payment`?");
        assert_eq!(select(&all, &["z*"]).unwrap_err(), "there is no service `z*`");
    }

    #[test]
    fn instances_are_services_of_their_own_in_the_order_of_their_numbers() {
        let names = shop().names();
        assert_eq!(names.len(), 3 + 11 + 1);
        let web: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with("web@")).collect();
        assert_eq!(
            (web.first(), web.get(1), web.get(9), web.last()),
            (Some(&"web@1"), Some(&"web@2"), Some(&"web@10"), Some(&"web@11"))
        );
    }

    #[test]
    fn a_base_name_and_a_group_stand_for_all_of_them() {
        let shop = shop();
        assert_eq!(select(&shop, &["web"]).unwrap().len(), 11);
        assert_eq!(select(&shop, &["web@2", "web@10"]).unwrap(), ["web@2", "web@10"]);
        assert_eq!(select(&shop, &["web@1?"]).unwrap(), ["web@10", "web@11"]);
        assert_eq!(select(&shop, &["@web"]).unwrap().len(), 12);
        assert_eq!(select(&shop, &["@shop", "web@3"]).unwrap().len(), 11);
        assert_eq!(shop.select_specs(&["@web".to_owned()]).unwrap(), ["api-2", "web"]);
        assert_eq!(select(&shop, &["@shp"]).unwrap_err(), "no service is in group `@shp`; did you mean `@shop`?");
        assert_eq!(select(&shop, &["@nowhere"]).unwrap_err(), "no service is in group `@nowhere`");
        assert_eq!(select(&shop, &["web@12"]).unwrap_err(), "there is no service `web@12`; did you mean `web@1`?");
    }

    #[test]
    fn a_bad_spec_keeps_the_instances_of_the_last_good_one() {
        let mut all = services(&[("web", "instances = 3\ntypo = 1"), ("db", "typo = 1")]);
        assert_eq!(all.names(), ["db", "web"]);
        all.files.get_mut("web").unwrap().last_good = Some("program = 'x'\ninstances = 2".to_owned());
        assert_eq!(all.names(), ["db", "web@1", "web@2"]);
        let plain = services(&[("web", "")]);
        let mut plain_again = plain.clone();
        plain_again.files.get_mut("web").unwrap().last_good = Some("program = 'x'\ninstances = 2".to_owned());
        assert_eq!((plain.names(), plain_again.names()), (vec!["web".to_owned()], vec!["web".to_owned()]));
    }
}
