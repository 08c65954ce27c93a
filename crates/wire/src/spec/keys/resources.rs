//! Keys of what a run may use.

use super::{Default, Key, Kind};
use crate::spec::Platform;

/// `"unlimited"` or bytes.
const BYTES: Kind = Kind::Either(&[Kind::Choice(&["unlimited"]), Kind::Size(None)]);
/// `"unlimited"` or so many.
const SO_MANY: Kind = Kind::Either(&[Kind::Choice(&["unlimited"]), Kind::Number(0, 0xFFFF_FFFF)]);

const fn limit(path: &'static str, kind: Kind, example: &'static str, en: &'static str, zh: &'static str) -> Key {
    Key::new(path, kind, Default::Told("that of the guard", "与守护进程相同"), example, en, zh)
        .only(Platform::Linux, "")
}

pub(super) const RESOURCES: &[Key] = &[
    Key::new(
        "resources",
        Kind::Keys,
        Default::Nothing,
        "{ memory = \"1GiB\" }",
        "what a run may use; without it nothing is limited",
        "一次运行可以使用的资源；不写则不限制",
    ),
    Key::new(
        "resources.priority",
        Kind::Choice(&["idle", "below-normal", "normal", "above-normal", "high", "realtime"]),
        Default::Told("that of the guard", "与守护进程相同"),
        "\"below-normal\"",
        "how it stands against other programs",
        "相对其他程序的优先级",
    ),
    Key::new(
        "resources.nice",
        Kind::Number(-20, 19),
        Default::Nothing,
        "5",
        "the exact nice value; goes before `priority`",
        "确切的 nice 值；优先于 `priority`",
    )
    .only(Platform::Linux, "use priority"),
    Key::new(
        "resources.io",
        Kind::Choice(&["idle", "low", "normal", "high"]),
        Default::Told("that of the guard", "与守护进程相同"),
        "\"low\"",
        "how its reads and writes stand against those of others",
        "其读写相对他人的优先级",
    ),
    Key::new(
        "resources.affinity",
        Kind::Form("`\"0-3,8\"`", "`\"0-3,8\"`", "^[0-9:, -]+$"),
        Default::Told("all", "全部"),
        "\"0-1,3\"",
        "the processors it may use, from 0. Windows: with a processor group before a colon, `\"1:0-7\"`",
        "可以使用的处理器，从 0 起。Windows：冒号前可写处理器组，如 `\"1:0-7\"`",
    ),
    Key::new(
        "resources.memory",
        Kind::Size(Some("1 MiB")),
        Default::Told("no limit", "不限"),
        "\"1GiB\"",
        "of the whole tree",
        "整棵进程树的内存",
    ),
    Key::new(
        "resources.cpu",
        Kind::Form("`\"150%\"`, 1–100000", "`\"150%\"`，1–100000", "^[0-9]+ *%$"),
        Default::Told("no limit", "不限"),
        "\"150%\"",
        "of the whole tree; 100 % is one whole processor",
        "整棵进程树的处理器时间；100 % 即一个完整的处理器",
    ),
    Key::new(
        "resources.cpu-weight",
        Kind::Number(1, 10_000),
        Default::Told("100", "100"),
        "50",
        "its share when processors are scarce",
        "处理器不够用时的份额",
    ),
    Key::new(
        "resources.processes",
        Kind::Number(1, 0xFFFF_FFFF),
        Default::Told("no limit", "不限"),
        "200",
        "at a time, in the whole tree",
        "整棵进程树中同时存在的进程数",
    ),
    Key::new(
        "resources.umask",
        Kind::Form("octal text", "八进制文本", "^[0-7]{1,4}$"),
        Default::Told("that of the guard", "与守护进程相同"),
        "\"0027\"",
        "bits taken from new files",
        "新建文件时去掉的权限位",
    )
    .only(Platform::Linux, ""),
    Key::new(
        "resources.limits",
        Kind::Keys,
        Default::Nothing,
        "{ open-files = 65536 }",
        "limits of each process, getrlimit(2)",
        "每个进程的限制（getrlimit(2)）",
    )
    .only(Platform::Linux, ""),
    limit("resources.limits.open-files", SO_MANY, "65536", "open files", "打开的文件数"),
    limit("resources.limits.core", BYTES, "\"0\"", "a core dump", "核心转储的大小"),
    limit("resources.limits.stack", BYTES, "\"16MiB\"", "the stack", "栈的大小"),
    limit("resources.limits.data", BYTES, "\"1GiB\"", "data of its own", "数据段的大小"),
    limit("resources.limits.address-space", BYTES, "\"8GiB\"", "the address space", "地址空间的大小"),
    limit("resources.limits.file-size", BYTES, "\"10GiB\"", "a file it writes", "所写文件的大小"),
    limit("resources.limits.locked-memory", BYTES, "\"unlimited\"", "locked memory", "锁定的内存"),
    limit(
        "resources.limits.cpu-time",
        Kind::Either(&[Kind::Choice(&["unlimited"]), Kind::Duration(Some("1 s"))]),
        "\"1h\"",
        "processor time, in whole seconds",
        "处理器时间，整秒",
    ),
    limit("resources.limits.user-processes", SO_MANY, "4096", "processes of its user", "该用户的进程数"),
];
