//! Every key of a spec: the one table that the reader checks names against and that schema and reference are made from.

mod life;
mod log;
mod program;
mod resources;
mod service;

use super::Platform;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As a person finds it: `restart.delay`. Keys of tables in a list stand below the list's key: `stop.ladder.ask`; `*` stands for any
    /// key beside it: `hooks.*.command`.
    pub path: &'static str,
    /// What it may be set to.
    pub kind: Kind,
    /// What is in force without it.
    pub default: Default,
    /// The only system that has it; elsewhere it is refused.
    pub only: Option<Platform>,
    /// What to do on the other system instead; may be empty.
    pub elsewhere: &'static str,
    /// What it means, in English; Markdown.
    pub en: &'static str,
    /// The same in Chinese.
    pub zh: &'static str,
    /// A value other than the default, as TOML.
    pub example: &'static str,
}

/// What a key may be set to.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// True or false.
    Flag,
    /// A whole number between these.
    Number(i64, i64),
    /// Time with its unit, at least this.
    Duration(Option<&'static str>),
    /// Bytes, at least this.
    Size(Option<&'static str>),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text of a form of its own: in English, in Chinese, as a regular expression.
    Form(&'static str, &'static str, &'static str),
    /// A list.
    List(&'static Kind),
    /// A table whose keys a person chooses; the texts say in English and Chinese what they are.
    Map(&'static str, &'static str, &'static Kind),
    /// A table whose keys are in this table too.
    Keys,
    /// One of these.
    Either(&'static [Kind]),
}

/// What is in force without a key.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// Nothing.
    Nothing,
    /// The key must be there.
    Required,
    /// This value, as TOML.
    Is(&'static str),
    /// These values, as TOML.
    Differs {
        /// On Windows.
        windows: &'static str,
        /// On Linux.
        linux: &'static str,
    },
    /// What these words say, in English and Chinese.
    Told(&'static str, &'static str),
}

/// Keys that belong together: a table of the reference.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Names it in the markers of the reference.
    pub name: &'static str,
    /// What the keys have in common: `restart`; empty at the top level.
    pub prefix: &'static str,
    /// In the order of the reference.
    pub keys: &'static [Key],
}

/// All keys.
pub const GROUPS: [Group; 14] = [
    Group { name: "service", prefix: "", keys: service::SERVICE },
    Group { name: "after", prefix: "", keys: service::AFTER },
    Group { name: "instances", prefix: "", keys: service::INSTANCES },
    Group { name: "program", prefix: "", keys: program::PROGRAM },
    Group { name: "env", prefix: "", keys: program::ENV },
    Group { name: "account", prefix: "account", keys: program::ACCOUNT },
    Group { name: "resources", prefix: "resources", keys: resources::RESOURCES },
    Group { name: "hooks", prefix: "hooks", keys: life::HOOKS },
    Group { name: "ready", prefix: "ready", keys: life::READY },
    Group { name: "restart", prefix: "restart", keys: life::RESTART },
    Group { name: "stop", prefix: "stop", keys: life::STOP },
    Group { name: "reload", prefix: "reload", keys: life::RELOAD },
    Group { name: "watch", prefix: "watch", keys: life::WATCH },
    Group { name: "log", prefix: "log", keys: log::LOG },
];

/// Keys that have another name now: the old one and the new one.
pub(super) const RENAMED: [(&str, &str); 1] = [("inherit-env", "env-inherit")];

/// Any text at all, in a list.
const TEXTS: Kind = Kind::List(&Kind::Text);

impl Key {
    pub(crate) const fn new(
        path: &'static str,
        kind: Kind,
        default: Default,
        example: &'static str,
        en: &'static str,
        zh: &'static str,
    ) -> Self {
        Self { path, kind, default, only: None, elsewhere: "", en, zh, example }
    }

    const fn only(mut self, platform: Platform, elsewhere: &'static str) -> Self {
        self.only = Some(platform);
        self.elsewhere = elsewhere;
        self
    }

    /// The path of the table it stands in; empty at the top level.
    fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    /// Its own name, without the path.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// Every key, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}

/// The keys of the table at `path`; the top level is the empty path.
pub fn below(path: &str) -> impl Iterator<Item = &'static Key> {
    // `hooks.*` is every hook.
    let any = path.rsplit_once('.').map(|(parent, _)| format!("{parent}.*"));
    let path = path.to_owned();
    all().filter(move |key| {
        let parent = key.parent();
        parent == path || any.as_ref().is_some_and(|any| parent == any)
    })
}
