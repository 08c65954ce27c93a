//! Keys of the service as a whole: its names, what comes before it, how many there are.

use super::{Default, Key, Kind};

/// What a name may be.
const NAME: Kind = Kind::Form("name", "名称", "^[A-Za-z0-9][A-Za-z0-9_.-]*$");

/// A service, a group or a service of the OS, and how far it must have come.
const AWAITED: Kind = Kind::Form(
    "`NAME`, `@GROUP`, each with `:started`, `:ready`, `:done`; `os:NAME`, `os-group:NAME`",
    "`NAME`、`@GROUP`，均可加 `:started`、`:ready`、`:done`；`os:NAME`、`os-group:NAME`",
    "^(@?[A-Za-z0-9][A-Za-z0-9_.@-]*(:(started|ready|done))?|os(-group)?:.+)$",
);

/// The same without how far.
const AWAITED_NAME: Kind = Kind::Form(
    "`NAME`, `@GROUP`, `os:NAME`, `os-group:NAME`",
    "`NAME`、`@GROUP`、`os:NAME`、`os-group:NAME`",
    "^(@?[A-Za-z0-9][A-Za-z0-9_.@-]*|os(-group)?:.+)$",
);

const FOLLOW: Kind = Kind::Choice(&["keep", "stop", "restart"]);

pub(super) const SERVICE: &[Key] = &[
    Key::new(
        "display-name",
        Kind::Text,
        Default::Told("the service's name", "服务名"),
        "\"Payment API\"",
        "what people see in the system's list of services; one line, at most 256 characters",
        "系统服务列表中显示的名称；一行，最多 256 个字符",
    ),
    Key::new(
        "description",
        Kind::Text,
        Default::Is("\"\""),
        "\"Takes payments\"",
        "one line for people and the service manager",
        "给人和服务管理器看的一行说明",
    ),
    Key::new(
        "groups",
        Kind::List(&NAME),
        Default::Is("[]"),
        "[\"shop\", \"web\"]",
        "what it belongs to: `@web` on the command line and in `after` means all of group `web`",
        "所属的组：命令行和 `after` 中的 `@web` 指 `web` 组的全部服务",
    ),
    Key::new(
        "start",
        Kind::Choice(&["auto", "delayed", "manual", "disabled"]),
        Default::Is("\"auto\""),
        "\"manual\"",
        "with the system · after the other automatic ones (Linux and `up`: as `auto`) · only by an order · never, an order is refused",
        "随系统启动 · 在其他自动服务之后启动（Linux 和 `up`：同 `auto`）· 只按命令启动 · 从不启动，命令也会被拒绝",
    ),
    Key::new(
        "kind",
        Kind::Choice(&["simple", "once", "forking"]),
        Default::Is("\"simple\""),
        "\"once\"",
        "the program runs for as long as the service · it is to end: what comes after it waits until it has ended well · it ends with 0 and \
         leaves another process behind, which is the main process from then on",
        "程序与服务同生命 · 程序会自行结束：排在它之后的服务等它成功结束 · 程序以 0 退出并留下另一个进程，此后那个进程就是主进程",
    ),
    Key::new(
        "pid-file",
        Kind::Text,
        Default::Told("what it left is looked at", "查看它留下的进程"),
        "\"/run/nginx.pid\"",
        "only with `kind = \"forking\"`: the file that the program writes the pid of the process it leaves to. A relative path starts at \
         the working directory",
        "仅用于 `kind = \"forking\"`：程序把留下的进程的 pid 写入此文件。相对路径从工作目录算起",
    ),
    Key::new(
        "max-runtime",
        Kind::Duration(None),
        Default::Is("\"0s\""),
        "\"12h\"",
        "a run that lives longer is ended by the ladder, as a failure. `\"0s\"`: it may live for ever",
        "运行超过此时长就按梯子结束，算作失败。`\"0s\"`：不限",
    ),
];

pub(super) const AFTER: &[Key] = &[
    Key::new(
        "after",
        Kind::List(&Kind::Either(&[AWAITED, Kind::Keys])),
        Default::Is("[]"),
        "[\"database\", \"@cache:started\", \"os:Tcpip\"]",
        "what must be there before it is started: another service (all its instances), all of a group, a service of the OS's service manager, \
         a load-order group (Windows) or target (systemd). Without a word behind the colon: `ready`. At most 256",
        "启动前必须先到位的：另一个服务（含其全部实例）、一个组的全部服务、操作系统服务管理器中的服务、加载顺序组（Windows）或 target\
         （systemd）。冒号后不写时为 `ready`。最多 256 项",
    ),
    Key::new(
        "after.service",
        AWAITED_NAME,
        Default::Required,
        "\"database\"",
        "the same as a table: what",
        "写成表时：等谁",
    ),
    Key::new(
        "after.until",
        Kind::Choice(&["started", "ready", "done"]),
        Default::Is("\"ready\""),
        "\"started\"",
        "its process exists · it is up (of kind `once`: done) · it is over, and well. Not for `os:` and `os-group:`",
        "其进程已存在 · 已就绪（`once` 类：已完成）· 已成功结束。不用于 `os:` 和 `os-group:`",
    ),
    Key::new(
        "after.fails",
        FOLLOW,
        Default::Is("\"keep\""),
        "\"stop\"",
        "what follows when it fails or is stopped while we run: nothing · we stop · we stop, and start again when it is back. Not for `os:` \
         and `os-group:`",
        "我们运行期间它失败或被停止时：不管 · 我们停止 · 我们停止，等它恢复后再启动。不用于 `os:` 和 `os-group:`",
    ),
    Key::new(
        "after.restarts",
        FOLLOW,
        Default::Is("\"keep\""),
        "\"restart\"",
        "what follows when it came up anew while we run; as `fails`",
        "我们运行期间它重新启动时；取值同 `fails`",
    ),
    Key::new(
        "after-timeout",
        Kind::Duration(None),
        Default::Is("\"5m\""),
        "\"30s\"",
        "it waits so long for all of `after`, then it is skipped until that comes good. `\"0s\"`: for ever",
        "等待 `after` 全部到位的最长时间，之后跳过，直到条件满足。`\"0s\"`：一直等",
    ),
];

pub(super) const INSTANCES: &[Key] = &[
    Key::new(
        "instances",
        Kind::Number(1, 9999),
        Default::Told("one, under its plain name", "一个，用原名"),
        "3",
        "how many of it there are: `web@1`, `web@2` …, each with a guard, a journal and logs of its own",
        "有几个实例：`web@1`、`web@2`……各有自己的守护进程、日志和记录",
    ),
    Key::new(
        "ports",
        Kind::Either(&[Kind::Form("`\"8080-8089\"`", "`\"8080-8089\"`", "^[0-9]+(-[0-9]+)?$"), Kind::Number(1, 65535)]),
        Default::Nothing,
        "\"8080-8082\"",
        "instance 1 gets the first of these ports, instance 2 the second …; there must be enough for all. A service without `instances` \
         gets the first",
        "1 号实例得到第一个端口，2 号得到第二个……必须足够全部实例使用。没有 `instances` 的服务得到第一个",
    ),
];
