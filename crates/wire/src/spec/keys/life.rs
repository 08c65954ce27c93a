//! Keys of the life of a run: hooks, readiness, restarts, stop, reload, watch.

use super::{Default, Key, Kind, TEXTS};
use crate::spec::Platform;

/// One hook: the words of its command, or a table.
const HOOK: Kind = Kind::Either(&[TEXTS, Kind::Keys]);

const fn hook(path: &'static str, en: &'static str, zh: &'static str) -> Key {
    Key::new(path, HOOK, Default::Nothing, "[\"/opt/shop/hook\", \"now\"]", en, zh)
}

pub(super) const HOOKS: &[Key] = &[
    Key::new(
        "hooks",
        Kind::Keys,
        Default::Nothing,
        "{ pre-start = [\"/opt/shop/migrate\"] }",
        "commands of its own at certain moments",
        "在特定时刻执行的命令",
    ),
    hook(
        "hooks.pre-start",
        "before each run; it is waited for, and a failure forbids the run",
        "每次运行之前；会等它结束，失败则不运行",
    ),
    hook("hooks.post-start", "a run is up", "运行已就绪"),
    hook("hooks.pre-stop", "before a living run is asked to stop; it is waited for", "请求运行停止之前；会等它结束"),
    hook(
        "hooks.post-stop",
        "nothing of a run lives any more; the next run waits for it",
        "一次运行的进程已全部结束；下一次运行等它结束",
    ),
    hook("hooks.on-exit", "a run's main process has ended", "运行的主进程已结束"),
    hook(
        "hooks.pre-rotate",
        "a log file is to be begun anew: by size, by the calendar or on demand, not before a run; it is waited for, and the old file written on meanwhile",
        "日志文件即将重新开始：按大小、按时间或按需，但不含每次运行之前；会等待它结束，期间继续写入旧文件",
    ),
    hook("hooks.on-rotate", "a log file was begun anew", "日志文件已重新开始"),
    hook("hooks.on-quarantine", "the service was put in quarantine", "服务被隔离"),
    hook("hooks.on-suspend", "the machine goes to sleep", "机器即将休眠")
        .only(Platform::Windows, "the system tells only of waking up; use systemd's sleep.target"),
    hook("hooks.on-resume", "the machine woke up", "机器已唤醒"),
    Key::new(
        "hooks.names",
        Kind::Choice(&["own", "nssm"]),
        Default::Is("\"own\""),
        "\"nssm\"",
        "the variables that tell a hook what happened: `MAINSTAY_…` · those, and NSSM's `NSSM_…` too",
        "告诉钩子发生了什么的变量：`MAINSTAY_…` · 此外还有 NSSM 的 `NSSM_…`",
    ),
    Key::new(
        "hooks.*.command",
        TEXTS,
        Default::Required,
        "[\"/opt/shop/hook\", \"now\"]",
        "as a table: the program and its arguments, run in the program's directory and environment",
        "写成表时：程序及其参数，在该服务的目录和环境中运行",
    ),
    Key::new(
        "hooks.*.timeout",
        Kind::Duration(Some("10 ms")),
        Default::Told(
            "`\"60s\"`; `pre-start` and `pre-stop` `\"20s\"`",
            "`\"60s\"`；`pre-start` 和 `pre-stop` 为 `\"20s\"`",
        ),
        "\"30s\"",
        "it is ended with everything it started when it takes longer",
        "超过此时长就连同它启动的一切一起结束",
    ),
    Key::new(
        "hooks.pre-start.abort-on",
        Kind::List(&Kind::Number(-0x8000_0000, 0xFFFF_FFFF)),
        Default::Is("[]"),
        "[99]",
        "these exit codes mean that the service shall not run at all: it is `done`, as a failure",
        "这些退出码表示服务根本不该运行：变为 `done`，算失败",
    ),
    Key::new(
        "hooks.pre-start.ignore-failure",
        Kind::Flag,
        Default::Is("false"),
        "true",
        "any other failure is only written down",
        "其他失败只作记录",
    ),
];

pub(super) const READY: &[Key] = &[
    Key::new("ready", Kind::Keys, Default::Nothing, "{ delay = \"2s\" }", "when a run counts as up", "运行何时算就绪"),
    Key::new(
        "ready.delay",
        Kind::Duration(None),
        Default::Nothing,
        "\"2s\"",
        "still alive after this long",
        "过了这么久仍然活着",
    ),
    Key::new(
        "ready.tcp",
        Kind::Form("`\"HOST:PORT\"`", "`\"HOST:PORT\"`", "^.+:.+$"),
        Default::Nothing,
        "\"127.0.0.1:8080\"",
        "a connection succeeds (`\"[::1]:8080\"` for IPv6)",
        "能建立连接（IPv6 写作 `\"[::1]:8080\"`）",
    ),
    Key::new(
        "ready.http",
        Kind::Form("`\"http://…\"`", "`\"http://…\"`", "^http://.+$"),
        Default::Nothing,
        "\"http://127.0.0.1:8080/health\"",
        "a GET answers 200–399. Plain HTTP only; no user name in the address",
        "GET 得到 200–399。仅支持明文 HTTP；地址中不能带用户名",
    ),
    Key::new(
        "ready.log",
        Kind::Form("pattern", "模式", ""),
        Default::Nothing,
        "\"listening on .*\"",
        "a line of its output matches this regular expression (crate `regex-lite`: no look-around, ASCII classes)",
        "输出中有一行匹配该正则表达式（`regex-lite`：没有环视，字符类仅 ASCII）",
    ),
    Key::new(
        "ready.every",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"250ms\""),
        "\"1s\"",
        "longest pause between two attempts of `tcp` and `http`; it begins with 10 ms and doubles. An attempt may take 5 s",
        "`tcp` 和 `http` 两次尝试之间的最长间隔；从 10 毫秒开始翻倍。单次尝试最多 5 秒",
    ),
    Key::new(
        "ready.timeout",
        Kind::Duration(None),
        Default::Is("\"5m\""),
        "\"90s\"",
        "not up by then: the run is stopped by the ladder and counts as a failed start. `\"0s\"`: wait for ever",
        "到时仍未就绪：按梯子停止，算一次启动失败。`\"0s\"`：一直等",
    ),
];

pub(super) const RESTART: &[Key] = &[
    Key::new(
        "restart",
        Kind::Keys,
        Default::Nothing,
        "{ on = \"always\" }",
        "what follows an end that nobody ordered",
        "没人下令却退出了，接下来怎么办",
    ),
    Key::new(
        "restart.on",
        Kind::Choice(&["always", "failure", "never"]),
        Default::Is("\"failure\""),
        "\"always\"",
        "after every end · after every end but exit code 0 · after none",
        "每次退出后 · 除退出码 0 以外 · 从不",
    ),
    Key::new(
        "restart.exit-codes",
        Kind::Map("exit code", "退出码", &Kind::Choice(&["restart", "done", "fail"])),
        Default::Is("{}"),
        "{ 2 = \"fail\" }",
        "goes before `on`. `done`: no restart, fine. `fail`: no restart, failed. Codes −2147483648 … 4294967295, also `\"0xC0000005\"`; a \
         negative one is what the program passed to exit (Linux keeps 8 bits of it, Windows 32). Linux: also signals, `SIGSEGV`. The same code twice is refused",
        "优先于 `on`。`done`：不重启，正常结束。`fail`：不重启，算失败。退出码 −2147483648 … 4294967295，也可写 `\"0xC0000005\"`；负数指\
         程序传给 exit 的值（Linux 保留 8 位，Windows 保留 32 位）。Linux 还可写信号，如 `SIGSEGV`。同一个码写两次会被拒绝",
    ),
    Key::new(
        "restart.delay",
        Kind::Duration(None),
        Default::Is("\"0s\""),
        "\"1s\"",
        "before every restart, the first one too",
        "每次重启之前，包括第一次",
    ),
    Key::new(
        "restart.delay-max",
        Kind::Duration(None),
        Default::Is("\"1m\""),
        "\"5m\"",
        "longest back-off. `\"0s\"`: no back-off, each restart waits `delay` alone",
        "最长退避时间。`\"0s\"`：不退避，每次重启只等 `delay`",
    ),
    Key::new(
        "restart.stable-after",
        Kind::Duration(None),
        Default::Is("\"10s\""),
        "\"30s\"",
        "a run this long resets the back-off",
        "运行这么久之后退避重新计算",
    ),
    Key::new(
        "restart.quarantine",
        Kind::Either(&[Kind::Choice(&["never"]), Kind::Keys]),
        Default::Is("{ restarts = 3, within = \"5m\" }"),
        "\"never\"",
        "when it is taken out, until `start`, a changed spec, or `release-after`",
        "何时隔离，直到 `start`、配置改变或 `release-after`",
    ),
    Key::new(
        "restart.quarantine.restarts",
        Kind::Number(0, 10_000),
        Default::Is("3"),
        "5",
        "more automatic restarts than these …",
        "自动重启超过这么多次……",
    ),
    Key::new(
        "restart.quarantine.within",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"5m\""),
        "\"10m\"",
        "… within this time",
        "……在此时长之内",
    ),
    Key::new(
        "restart.quarantine.release-after",
        Kind::Duration(Some("10 ms")),
        Default::Nothing,
        "\"1h\"",
        "it leaves by itself after this long; without it never",
        "过此时长自行解除；不写则不会自行解除",
    ),
];

pub(super) const STOP: &[Key] = &[
    Key::new(
        "stop",
        Kind::Keys,
        Default::Nothing,
        "{ ladder = [{ ask = \"terminate\" }] }",
        "how it is ended",
        "怎样结束它",
    ),
    Key::new(
        "stop.ladder",
        Kind::List(&Kind::Keys),
        Default::Differs {
            windows: "[{ ask = \"ctrl-c\", wait = \"10s\" }, { ask = \"close-windows\", wait = \"2s\" }, { ask = \"terminate\", wait = \"0s\" }]",
            linux: "[{ ask = \"SIGTERM\", wait = \"10s\" }, { ask = \"terminate\", wait = \"0s\" }]",
        },
        "[{ ask = \"ctrl-c\", wait = \"30s\" }, { ask = \"terminate\" }]",
        "1 to 16 steps",
        "1 到 16 级",
    ),
    Key::new(
        "stop.ladder.ask",
        Kind::Form(
            "see below",
            "见下表",
            "^(ctrl-c|ctrl-break|close-windows|quit-threads|terminate|command|SIG[A-Z0-9]+)$",
        ),
        Default::Nothing,
        "\"ctrl-c\"",
        "how to ask",
        "怎样请求",
    ),
    Key::new(
        "stop.ladder.command",
        TEXTS,
        Default::Nothing,
        "[\"/opt/shop/quit\", \"now\"]",
        "instead of `ask`: a program and its arguments, run in the program's directory and environment with `MAINSTAY_PID`; its output goes \
         to the log; ended when the step is over",
        "代替 `ask`：一个程序及其参数，在该服务的目录和环境中运行，另有 `MAINSTAY_PID`；它的输出进入日志；这一级结束时它也被结束",
    ),
    Key::new(
        "stop.ladder.wait",
        Kind::Duration(None),
        Default::Is("\"10s\""),
        "\"30s\"",
        "how long the run may take",
        "最多等多久",
    ),
];

pub(super) const RELOAD: &[Key] = &[
    Key::new(
        "reload",
        Kind::Keys,
        Default::Told("it can't be reloaded", "不能重新加载"),
        "{ command = [\"/usr/sbin/nginx\", \"-s\", \"reload\"] }",
        "how the program is told to read its configuration again, while it goes on; one of `signal`, `command`, `event`",
        "怎样让程序在运行中重新读取自己的配置；`signal`、`command`、`event` 三选一",
    ),
    Key::new(
        "reload.signal",
        Kind::Form("signal", "信号", "^SIG[A-Z0-9]+$"),
        Default::Nothing,
        "\"SIGHUP\"",
        "to the main process",
        "发给主进程",
    )
    .only(Platform::Linux, "use event or command"),
    Key::new(
        "reload.command",
        TEXTS,
        Default::Nothing,
        "[\"/usr/sbin/nginx\", \"-s\", \"reload\"]",
        "a program and its arguments, run in the program's directory and environment with `MAINSTAY_PID`",
        "一个程序及其参数，在该服务的目录和环境中运行，另有 `MAINSTAY_PID`",
    ),
    Key::new(
        "reload.timeout",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"30s\""),
        "\"5s\"",
        "only with `command`: it is ended when it takes longer",
        "仅用于 `command`：超过此时长就结束它",
    ),
    Key::new(
        "reload.event",
        Kind::Text,
        Default::Nothing,
        "'Global\\shop-reload'",
        "this named event is set",
        "置位这个命名事件",
    )
    .only(Platform::Windows, "use signal or command"),
];

pub(super) const WATCH: &[Key] = &[
    Key::new(
        "watch",
        Kind::Keys,
        Default::Nothing,
        "{ paths = [\".\"] }",
        "files whose change restarts or reloads the service: for development",
        "文件变化时重启或重新加载服务：用于开发",
    ),
    Key::new(
        "watch.paths",
        TEXTS,
        Default::Required,
        "[\".\", \"config\"]",
        "folders (with all below) or files; a relative path starts at the working directory",
        "目录（含其下全部）或文件；相对路径从工作目录算起",
    ),
    Key::new(
        "watch.only",
        TEXTS,
        Default::Is("[]"),
        "[\"*.go\", \"*.toml\"]",
        "only names that match one of these count (`*` any characters, `?` one); empty: all",
        "只有名称匹配其中之一的才算（`*` 任意字符，`?` 一个字符）；空：全部",
    ),
    Key::new(
        "watch.ignore",
        TEXTS,
        Default::Is("[]"),
        "[\".git\", \"*.tmp\"]",
        "names that match one of these don't count; a folder's name leaves out all below it",
        "名称匹配其中之一的不算；写目录名则排除其下全部",
    ),
    Key::new(
        "watch.settle",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"300ms\""),
        "\"1s\"",
        "a burst of changes is over when nothing changed for so long",
        "这么久没有变化，一阵变化才算结束",
    ),
    Key::new(
        "watch.then",
        Kind::Choice(&["restart", "reload"]),
        Default::Is("\"restart\""),
        "\"reload\"",
        "what follows; `reload` needs `[reload]`",
        "之后做什么；`reload` 需要 `[reload]`",
    ),
];
