#!/usr/bin/env bash
# Makes a small system tree that systemd boots in a container, so that tests meet a real systemd on any Linux machine.
#
#   ${MAINSTAY_TEST_ROOT:-/opt/mainstay-test}/systemd-root   the tree; never changed after it was made
#
# scripts/systemd-container.sh boots it. Needs root. Takes a few milliseconds when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly ROOT=${MAINSTAY_TEST_ROOT:-/opt/mainstay-test}
readonly TREE="$ROOT/systemd-root"
readonly SUITE=${MAINSTAY_TEST_SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
readonly PACKAGES=systemd,systemd-sysv,dbus,iproute2,procps,curl
readonly STAMP="$ROOT/.systemd-root-ready"
readonly RECIPE="2 $SUITE $PACKAGES"

say() { printf 'setup-systemd: %s\n' "$*" >&2; }
refuse() { say "cannot boot systemd here: $*"; exit 1; }

check_machine() {
  [ "$(uname -s)" = Linux ] || refuse 'this is not Linux'
  [ "$(id -u)" = 0 ] || refuse 'systemd-nspawn needs root; run this as root'
  [ -n "$SUITE" ] || refuse '/etc/os-release names no release; set MAINSTAY_TEST_SUITE to a Debian release'
  unshare --mount --pid --fork true 2>/dev/null || refuse 'this machine forbids new namespaces (a container?)'
}

make_tree() {
  local new="$ROOT/.tree.new"
  rm -rf "$new" # of a run that was broken off
  mkdir "$new"
  chmod 755 "$new"
  say "making a $SUITE tree (about a minute)"
  mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$SUITE" "$new" "$(debian_source)" 2>"$ROOT/mmdebstrap.log" || {
    tail -5 "$ROOT/mmdebstrap.log" >&2
    refuse "mmdebstrap failed; its whole output is in $ROOT/mmdebstrap.log"
  }
  # No log-in prompts, no updates: only what a test starts should run.
  ln -sf /dev/null "$new/etc/systemd/system/console-getty.service"
  ln -sf /dev/null "$new/etc/systemd/system/apt-daily.timer"
  ln -sf /dev/null "$new/etc/systemd/system/apt-daily-upgrade.timer"
  ln -sf /dev/null "$new/etc/systemd/system/dpkg-db-backup.timer"
  rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/*
  rm -rf "$TREE"
  mv "$new" "$TREE"
}

debian_source() { echo "deb $(debian_mirror) $SUITE main"; }

prove_it_boots() {
  local state
  state=$(mktemp -d)/proof
  scripts/systemd-container.sh start "$state" >/dev/null || refuse 'the container did not come up; see above'
  scripts/systemd-container.sh stop "$state"
  rmdir "$(dirname "$state")"
}

if [ "$(cat "$STAMP" 2>/dev/null)" = "$RECIPE" ] && command -v systemd-nspawn >/dev/null; then
  say "ready: $TREE"
  exit 0
fi
check_machine
debian_install systemd-container mmdebstrap
mkdir -p "$ROOT"
make_tree
prove_it_boots
echo "$RECIPE" >"$STAMP"
say "ready: $TREE"
