//! Keys of what is run: the program, its environment, who it is, where its output goes.

use super::{Default, Key, Kind, TEXTS};
use crate::spec::Platform;

pub(super) const PROGRAM: &[Key] = &[
    Key::new(
        "program",
        Kind::Text,
        Default::Required,
        "\"server\"",
        "a path, or a bare name that is searched in the PATH of the program's environment, never in the current directory. A relative path \
         starts at `directory`. Windows: endings of PATHEXT are tried; batch files are run by cmd.exe",
        "路径，或只有文件名——此时在程序环境的 PATH 中查找，绝不在当前目录中找。相对路径从 `directory` 算起。Windows：会尝试 PATHEXT \
         的各个扩展名；批处理文件由 cmd.exe 执行",
    ),
    Key::new(
        "args",
        TEXTS,
        Default::Is("[]"),
        "[\"--port\", \"8080\"]",
        "reach the program exactly as written. One argument: at most 128 KiB. Windows: 32,767 characters together",
        "原样传给程序。单个参数最大 128 KiB；Windows：合计 32,767 个字符",
    ),
    Key::new(
        "directory",
        Kind::Text,
        Default::Told(
            "folder of `program` if that is absolute, else the home",
            "`program` 为绝对路径时是它所在的目录，否则是 home",
        ),
        "\"/srv/shop\"",
        "working directory. A relative one starts at the home (without `--home`: at the folder of the specs)",
        "工作目录。相对路径从 home 算起（没有 `--home` 时从配置目录算起）",
    ),
    Key::new(
        "stdin",
        Kind::Either(&[Kind::Choice(&["closed", "open"]), Kind::Keys]),
        Default::Is("\"closed\""),
        "\"open\"",
        "standard input: at its end from the beginning · what `mainstay send` sends · a table with `file`",
        "标准输入：一开始就是结尾 · `mainstay send` 发来的内容 · 带 `file` 的表",
    ),
    Key::new(
        "stdin.file",
        Kind::Text,
        Default::Nothing,
        "\"input.txt\"",
        "standard input is this file, from its beginning in each run. A relative path starts at the working directory",
        "标准输入取自该文件，每次运行都从头读。相对路径从工作目录算起",
    ),
    Key::new(
        "breakaway",
        Kind::Flag,
        Default::Is("false"),
        "true",
        "descendants may leave the tree and outlive a stop (updaters). Windows: by `CREATE_BREAKAWAY_FROM_JOB`; Linux: by a session of their \
         own, but under systemd they stay in the unit and end with it",
        "允许后代进程脱离进程树、在停止后继续存活（用于升级程序）。Windows：通过 `CREATE_BREAKAWAY_FROM_JOB`；Linux：通过新建会话，但在 \
         systemd 下它们仍留在单元里，随单元一起结束",
    ),
];

pub(super) const ENV: &[Key] = &[
    Key::new(
        "env-inherit",
        Kind::Flag,
        Default::Is("true"),
        "false",
        "begin with the guard's environment; `false`: with nothing",
        "以守护进程的环境为起点；`false`：从空环境开始",
    ),
    Key::new(
        "env-unset",
        TEXTS,
        Default::Is("[]"),
        "[\"HTTP_PROXY\"]",
        "names taken out of what is inherited",
        "从继承的环境中去掉的变量名",
    ),
    Key::new(
        "env-files",
        TEXTS,
        Default::Is("[]"),
        "[\".env\", \"local.env?\"]",
        "files of `NAME=value` lines, read before each run; one whose name ends with `?` may be missing. A relative path starts at the \
         working directory",
        "由 `NAME=value` 行组成的文件，每次运行前读取；文件名以 `?` 结尾的可以不存在。相对路径从工作目录算起",
    ),
    Key::new(
        "env-secrets",
        Kind::Map("variable", "变量", &Kind::Text),
        Default::Is("{}"),
        "{ DB_PASSWORD = \"/etc/shop/db-password\" }",
        "variables whose value is the content of a file, without the line break at its end. The value is shown nowhere",
        "变量的值取自文件内容，去掉末尾换行。值不会显示在任何地方",
    ),
    Key::new(
        "env",
        Kind::Map("variable", "变量", &Kind::Text),
        Default::Is("{}"),
        "{ GIN_MODE = \"release\" }",
        "variables. A value may refer by `${NAME}` or `%NAME%` to what is inherited, in `env-files`, in `env-secrets` or above it; an \
         unknown name stays as written, `$${` is a literal `${`. Windows: a value of at most 32,767 characters, names that differ only by case are the same",
        "变量。值中可用 `${NAME}` 或 `%NAME%` 引用继承的、`env-files` 中的、`env-secrets` 中的或写在它之上的变量；未知的名称原样保留，\
         `$${` 表示字面的 `${`。Windows：值最多 32,767 个字符，仅大小写不同的名称视为同一个",
    ),
    Key::new(
        "path-prepend",
        TEXTS,
        Default::Is("[]"),
        "[\"/opt/shop/bin\"]",
        "folders put before those of PATH",
        "放在 PATH 最前面的目录",
    ),
    Key::new(
        "path-append",
        TEXTS,
        Default::Is("[]"),
        "[\"/opt/tools/bin\"]",
        "folders put behind those of PATH",
        "放在 PATH 最后面的目录",
    ),
];

pub(super) const ACCOUNT: &[Key] = &[
    Key::new(
        "account",
        Kind::Keys,
        Default::Nothing,
        "{ user = \"shop\" }",
        "who the program is",
        "程序以谁的身份运行",
    ),
    Key::new(
        "account.user",
        Kind::Text,
        Default::Told("that of the guard", "与守护进程相同"),
        "\"shop\"",
        "Linux: a user's name or number. Windows: the account that the service manager logs on",
        "Linux：用户名或编号。Windows：由服务管理器登录的账户",
    ),
    Key::new(
        "account.group",
        Kind::Text,
        Default::Told("that of the user", "该用户的组"),
        "\"shop\"",
        "the main group",
        "主要组",
    )
    .only(Platform::Linux, ""),
    Key::new(
        "account.groups",
        TEXTS,
        Default::Told("those of the user", "该用户的各组"),
        "[\"ssl-cert\"]",
        "further groups, instead of the user's",
        "附加组，取代该用户原有的",
    )
    .only(Platform::Linux, ""),
    Key::new(
        "account.capabilities",
        Kind::Either(&[Kind::Choice(&["all"]), TEXTS]),
        Default::Told(
            "as root: those that container engines leave; else none",
            "以 root 运行时：容器引擎保留的那些；否则没有",
        ),
        "[\"CAP_NET_BIND_SERVICE\"]",
        "at most these capabilities(7); `CAP_` may be left out. `[]`: none, `\"all\"`: every one",
        "最多拥有这些能力（capabilities(7)）；可省略 `CAP_`。`[]`：没有，`\"all\"`：全部",
    )
    .only(Platform::Linux, ""),
    Key::new(
        "account.new-privileges",
        Kind::Flag,
        Default::Is("false"),
        "true",
        "what it executes may gain rights (set-user-ID programs such as sudo)",
        "它执行的程序可以获得新权限（如 sudo 等 set-user-ID 程序）",
    )
    .only(Platform::Linux, ""),
];
