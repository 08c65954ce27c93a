#!/usr/bin/env bash
# Runs one program in a small virtual machine that has every controller of cgroup v2, because many machines (and most
# containers) have them as version 1 or not at all. The processor is emulated: slow, but it needs nothing from the host.
#
#   cgroup-vm.sh setup                                           makes what is missing; a few milliseconds if nothing is
#   cgroup-vm.sh check                                           whether it was made
#   cgroup-vm.sh run [--with FILE]... [--env NAME]... CMD [ARG]  runs CMD there as root; its output and exit code are ours
#
# CMD is an absolute path on this machine; it, the FILEs and the libraries they need are at the same paths there, and so
# are the variables NAME. There is no systemd, no network but lo, no disk; /bin/sh is busybox. A run that takes longer than
# MAINSTAY_VM_SECONDS (default 60) is ended with code 124. Any number may run at once.
#
# Setting it up needs a Debian machine on x86-64; running it does not need root.
set -euo pipefail

readonly ROOT=${MAINSTAY_TEST_ROOT:-/opt/mainstay-test}/cgroup-vm
readonly SECONDS_MAX=${MAINSTAY_VM_SECONDS:-60}
readonly STAMP=$ROOT/.ready
readonly RECIPE='2 qemu-system-x86 linux-image-cloud-amd64 busybox-static'
# The last line of a run, behind what the program said. No test says this.
readonly END='=== cgroup-vm: the program has ended with'

say() { printf 'cgroup-vm: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

is_ready() { [ "$(cat "$STAMP" 2>/dev/null)" = "$RECIPE" ]; }

# --- setup ---

setup() {
  if is_ready; then say "ready: $ROOT"; return 0; fi
  cd "$(dirname "$SELF")/.."
  # shellcheck source=scripts/debian.sh
  . scripts/debian.sh
  [ "$(uname -m)" = x86_64 ] || fail 'cannot set it up: it is for x86-64'
  command -v apt-get >/dev/null || fail 'cannot set it up: this is not a Debian machine'
  [ -w "$(dirname "$ROOT")" ] || [ "$(id -u)" = 0 ] || fail "cannot set it up: $ROOT is not ours to make; run this as root"
  debian_install cpio
  as_root apt-get update -qq
  mkdir -p "$ROOT"
  chmod 755 "$ROOT"
  make_qemu
  make_kernel
  make_base
  prove_it_runs
  echo "$RECIPE" >"$STAMP"
  say "ready: $ROOT"
}

# Unpacked, not installed: its package would have apt remove tools of a newer QEMU that may be here.
make_qemu() {
  local -a packages
  say 'fetching QEMU (about 70 MB)'
  # What it needs that is not here yet.
  mapfile -t packages < <(apt-get install -s --no-install-recommends qemu-system-x86 | awk '$1 == "Inst" { print $2 }')
  unpack "$ROOT/qemu" "${packages[@]}" qemu-system-x86
}

make_kernel() {
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && /linux-image/ { print $2; exit }')
  say "fetching the kernel ($package)"
  unpack "$ROOT/kernel" "$package"
  mv "$ROOT"/kernel/boot/vmlinuz-* "$ROOT/vmlinuz"
  rm -rf "$ROOT/kernel" # what it needs is built in, no module is
}

# Packages of this machine's own sources, as apt checks them, into a folder that replaces an older one.
unpack() { # unpack DIR PACKAGE...
  local dir=$1 archives package
  shift
  archives=$(mktemp -d -p "$WORK")
  (cd "$archives" && apt-get download -qq -o APT::Sandbox::User=root "$@") || fail "cannot fetch $*"
  rm -rf "$dir"
  mkdir "$dir"
  for package in "$archives"/*.deb; do dpkg -x "$package" "$dir"; done
  rm -rf "$archives"
}

# The tree that every run starts from, as an archive; the kernel unpacks a run's own behind it.
make_base() {
  local tree applet
  tree=$(mktemp -d -p "$WORK")
  unpack "$ROOT/busybox" busybox-static
  chmod 755 "$tree" # it becomes the root, and not only root looks into that
  mkdir -p "$tree"/{bin,etc,proc,sys,dev,tmp,root}
  cp "$ROOT/busybox/bin/busybox" "$tree/bin/"
  for applet in sh cat ls mkdir mount sleep true false id kill ps grep sed stty poweroff ip; do
    ln -s busybox "$tree/bin/$applet"
  done
  chmod 1777 "$tree/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$tree/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\n' >"$tree/etc/group"
  print_init >"$tree/init"
  chmod 755 "$tree/init"
  archive "$tree" >"$ROOT/base.cpio"
  rm -rf "$tree" "$ROOT/busybox"
}

print_init() {
  cat <<'INIT'
#!/bin/sh
# Process 1: no program must reach the end of it, or the kernel panics.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
stty raw -echo </dev/ttyS1
/bin/sh /run.sh </dev/null >/dev/ttyS1 2>&1
sync
poweroff -f
INIT
}

archive() { (cd "$1" && find . -print0 | cpio --null --quiet -o -H newc --owner=0:0); }

prove_it_runs() {
  local found
  found=$(run /bin/cat /sys/fs/cgroup/cgroup.controllers) || fail 'the machine does not run; see above'
  for controller in cpu memory pids; do
    case " $found " in *" $controller "*) ;; *) fail "the machine has no $controller controller: $found" ;; esac
  done
}

# --- run ---

quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# The program and what the loader would find for it.
add() { # add TREE FILE
  local file
  [ -e "$2" ] || fail "cannot run without $2: it is missing"
  { echo "$2"; ldd "$2" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r file; do
    [ -e "$1$file" ] || (mkdir -p "$1$(dirname "$file")" && cp -L "$file" "$1$file")
  done
}

run() {
  local tree exit_code=124 line word
  local -a files=() script=()
  while :; do
    case ${1:-} in
      --with) files+=("$2"); shift 2 ;;
      --env) [ -z "${!2+set}" ] || script+=("export $2=$(quoted "${!2}")"); shift 2 ;;
      *) break ;;
    esac
  done
  case ${1:-} in /*) ;; *) fail 'cannot run: an absolute path is wanted' ;; esac
  tree=$(mktemp -d -p "$WORK")
  chmod 755 "$tree"
  case $1 in /bin/*) ;; *) files+=("$1") ;; esac # busybox is there
  for word in ${files[@]+"${files[@]}"}; do add "$tree" "$word"; done
  line=''
  for word in "$@"; do line+="$(quoted "$word") "; done
  script+=("$line" "echo \"$END \$?\"")
  printf '%s\n' "${script[@]}" >"$tree/run.sh"
  cp "$ROOT/base.cpio" "$tree.cpio"
  archive "$tree" >>"$tree.cpio"
  while IFS= read -r line; do
    line=${line%$'\r'}
    case $line in
      *"$END "*)
        exit_code=${line##* }
        line=${line%"$END "*} # the program's last line may have no end
        [ -z "$line" ] || printf '%s\n' "$line"
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done < <(machine "$tree.cpio" "$tree.log")
  if [ "$exit_code" != 0 ]; then
    [ "$exit_code" != 124 ] || say "not done within $SECONDS_MAX s, or the machine ended before"
    say "code $exit_code; the last words of its kernel:"
    tail -20 "$tree.log" >&2 || true
  fi
  return "$exit_code"
}

# Ends with us, however we end: a test that is killed must not leave a machine behind.
machine() { # machine INITRD LOG
  local here=$ROOT/qemu multiarch=lib/x86_64-linux-gnu
  exec setpriv --pdeathsig TERM timeout --kill-after=5 "$SECONDS_MAX" setpriv --pdeathsig KILL \
    env LD_LIBRARY_PATH="$here/usr/$multiarch:$here/$multiarch:$here/usr/$multiarch/pulseaudio" \
    "$here/usr/bin/qemu-system-x86_64" -L "$here/usr/share/qemu" -L "$here/usr/share/seabios" \
    -accel tcg,thread=multi -cpu max -smp 2 -m 768 -nodefaults -display none -no-reboot \
    -serial "file:$2" -serial stdio -monitor none \
    -kernel "$ROOT/vmlinuz" -initrd "$1" -append 'console=ttyS0 quiet panic=-1 rdinit=/init' </dev/null
}

SELF=$(realpath "$0")
WORK=$(mktemp -d)
trap 'rm -rf --one-file-system "$WORK"' EXIT
case ${1:-} in
  setup) setup ;;
  check) is_ready ;;
  run)
    is_ready || fail 'cannot run: scripts/cgroup-vm.sh setup comes first'
    shift
    run "$@"
    ;;
  *) sed -n '5,7s/^# *//p' "$SELF" >&2; exit 2 ;;
esac
