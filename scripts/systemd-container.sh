#!/usr/bin/env bash
# Boots and stops throw-away containers with a real systemd, because what systemd does can only be tested with systemd.
#
#   systemd-container.sh start STATE [--bind-ro=HOST:GUEST]...   boots one; prints the pid of its systemd
#   systemd-container.sh exec  STATE COMMAND [ARG...]            runs a command in it
#   systemd-container.sh stop  STATE                             ends it and removes STATE
#
# STATE is a folder of the caller's choice that does not exist yet. All options of systemd-nspawn may follow it.
# Any number may run at once: each has its own overlay over the tree, network and cgroup, so nothing a test does
# reaches the tree, the host or another container. From outside, its files are under /proc/PID/root.
# One that nobody stops ends itself after MAINSTAY_CONTAINER_SECONDS (default 600).
#
# Needs root and the tree of scripts/setup-systemd.sh.
set -euo pipefail

readonly TREE=${MAINSTAY_TEST_ROOT:-/opt/mainstay-test}/systemd-root
readonly LIFE_SECONDS=${MAINSTAY_CONTAINER_SECONDS:-600}
readonly BOOT_SECONDS=30
readonly STOP_SECONDS=15
readonly CGROUP_PREFIX=mainstay-test

fail() { printf 'systemd-container: %s\n' "$*" >&2; exit 1; }

# The hierarchies systemd uses: one of its own and version 2 beside it on older machines, version 2 alone on others.
cgroup_roots() {
  local root
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then echo /sys/fs/cgroup; return; fi
  for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    if [ -d "$root" ]; then echo "$root"; fi
  done
}

# Without a cgroup of its own, each container would use /payload, and one systemd would kill another's processes.
enter_cgroup() {
  local root
  for root in $(cgroup_roots); do
    mkdir -p "$root/$1"
    echo $$ >"$root/$1/cgroup.procs"
  done
}

# Deepest first; one that is still in use refuses, which is right.
remove_cgroups() {
  local root
  for root in $(cgroup_roots); do
    find "$root" -mindepth 1 -depth -type d -path "$root/$1*" -exec rmdir {} + 2>/dev/null || true
  done
}

start_time() { # of a process that lives; nothing for a dead one or a zombie
  [ -r "/proc/$1/stat" ] || return 0
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

# A pid alone may be somebody else's by now.
is_alive() { [ -n "$2" ] && [ "$(start_time "$1")" = "$2" ]; }

child_of() { { tr ' ' '\n' <"/proc/$1/task/$1/children" | sed -n 1p; } 2>/dev/null; }

# Our child is `timeout`, its child nspawn, and nspawn's child the container's first process.
find_leader() {
  local nspawn leader
  nspawn=$(child_of "$1")
  [ -n "$nspawn" ] || return 1
  leader=$(child_of "$nspawn")
  [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ] && echo "$leader"
}

is_up() {
  case $(nsenter -t "$1" -a systemctl is-system-running 2>/dev/null) in running | degraded) return 0 ;; *) return 1 ;; esac
}

# Runs as the container's own shell: its mounts live in a mount namespace of its own and vanish with it.
run_container() {
  local state=$1 name=$2
  shift 2
  enter_cgroup "$name"
  mount -t tmpfs tmpfs "$state/overlay"
  mkdir "$state/overlay/upper" "$state/overlay/work" "$state/overlay/root"
  mount -t overlay overlay "$state/overlay/root" \
    -o "lowerdir=$TREE,upperdir=$state/overlay/upper,workdir=$state/overlay/work"
  exec timeout --kill-after="$STOP_SECONDS" "$LIFE_SECONDS" \
    systemd-nspawn --quiet -D "$state/overlay/root" --machine="$name" --register=no --keep-unit --boot \
    --private-network --console=pipe "$@"
}

start() {
  local state=$1 name pid leader='' deadline
  shift
  [ -d "$TREE/usr/lib/systemd" ] || fail 'cannot start: run scripts/setup-systemd.sh first'
  mkdir "$state" || fail "cannot start: $state must not exist"
  state=$(realpath "$state")
  mkdir "$state/overlay"
  name=$CGROUP_PREFIX-$$-$RANDOM
  echo "$name" >"$state/name"
  setsid unshare --mount --propagation private "$BASH" "$SELF" run-container "$state" "$name" "$@" \
    </dev/null >"$state/log" 2>&1 &
  pid=$!
  deadline=$((SECONDS + BOOT_SECONDS))
  until leader=$(find_leader "$pid") && is_up "$leader"; do
    [ -n "$(start_time "$pid")" ] || give_up "$state" 'it ended at once'
    [ "$SECONDS" -lt "$deadline" ] || give_up "$state" "it is not up after $BOOT_SECONDS s"
    sleep 0.05
  done
  echo "$pid $(start_time "$pid") $leader $(start_time "$leader")" >"$state/pids"
  echo "$leader"
}

give_up() {
  local state=$1
  tail -20 "$state/log" >&2
  kill -KILL -- "-$pid" 2>/dev/null || true
  remove_cgroups "$(cat "$state/name")"
  rm -rf --one-file-system "$state"
  fail "cannot boot the container: $2"
}

# Puts this shell where the container's first process is; nsenter alone would leave the command in the host's cgroup.
join_cgroup_of() {
  local root path
  for root in $(cgroup_roots); do
    path=$(sed -n "s|^[0-9]*:$([ "${root##*/}" = systemd ] && echo name=systemd):||p" "/proc/$1/cgroup")
    echo $$ >"$root$path/cgroup.procs"
  done
}

run_in() {
  local state=$1 leader leader_started
  shift
  read -r _ _ leader leader_started <"$state/pids"
  is_alive "$leader" "$leader_started" || fail 'the container has ended'
  join_cgroup_of "$leader"
  exec nsenter -t "$leader" -a "$@"
}

stop() {
  local state=$1 pid started leader leader_started deadline=$((SECONDS + STOP_SECONDS))
  read -r pid started leader leader_started <"$state/pids" || fail "cannot stop: $state is not a container's state"
  # systemd's signal for "power off".
  ! is_alive "$leader" "$leader_started" || kill -s RTMIN+3 "$leader"
  while is_alive "$pid" "$started"; do
    if [ "$SECONDS" -ge "$deadline" ]; then kill -KILL -- "-$pid"; break; fi
    sleep 0.05
  done
  remove_cgroups "$(cat "$state/name")"
  rm -rf --one-file-system "$state"
}

SELF=$(realpath "$0")
[ $# -ge 2 ] || { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }
verb=$1
shift
case $verb in
  start) start "$@" ;;
  exec) run_in "$@" ;;
  stop) stop "$@" ;;
  run-container) run_container "$@" ;;
  *) sed -n '4,6s/^# *//p' "$0" >&2; exit 2 ;;
esac
