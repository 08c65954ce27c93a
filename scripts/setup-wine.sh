#!/usr/bin/env bash
# Gives this machine a Wine that runs our Windows tests and services, because no Windows is needed to find most bugs.
#
#   $MAINSTAY_WINE_ROOT (default /opt/mainstay-wine)
#     dist/             Wine 10 from Debian trixie's packages, unpacked beside the system with a C library of its own
#     template/         a prefix set to Windows 10; copied, never run
#     bin/msw           runs a Windows program           (scripts/wine/msw)
#     bin/msw-prefix    makes, boots and ends prefixes   (scripts/wine/msw-prefix)
#     env               to be sourced: PATH and cargo's runner for x86_64-pc-windows-gnu
#
# Debian bookworm's own Wine 8 will not do: it reports a crashed service as running, and Rust's std does not start.
# Takes a few milliseconds when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly ROOT=${MAINSTAY_WINE_ROOT:-/opt/mainstay-wine}
# Changes with whatever this script puts there: an edit of the runner is installed, Wine itself is kept.
readonly STAMP="$ROOT/.ready"
RECIPE=$(cat scripts/setup-wine.sh scripts/wine/msw scripts/wine/msw-prefix | sha256sum | cut -d' ' -f1)

say() { printf 'setup-wine: %s\n' "$*" >&2; }

# A Windows file counts as Wine's own when these 16 bytes follow its DOS header.
mark_as_builtin() {
  { head -c 64 "$1"; printf 'Wine builtin DLL'; head -c 16 /dev/zero; tail -c +97 "$1"; } >"$2"
}

unpack() { # unpack PACKAGE DIR [TAR-OPTION...]
  local package=$1 dir=$2
  shift 2
  dpkg-deb --fsys-tarfile "$TMP/debs/${package}"_*.deb | tar -x -C "$dir" "$@"
}

# The two ELF programs get an interpreter and a library path of their own: trixie's glibc, no chroot.
use_own_glibc() {
  local libs="$ROOT/dist/glibc/usr/lib/x86_64-linux-gnu" program
  for program in wine64 wineserver64; do
    patchelf --force-rpath --set-rpath "$libs" --set-interpreter "$libs/ld-linux-x86-64.so.2" \
      "$ROOT/dist/usr/lib/wine/$program"
  done
}

install_wine() {
  [ ! -e "$ROOT/dist/.ok" ] || return 0
  debian_install patchelf binutils-mingw-w64-x86-64
  say 'downloading Wine 10 (115 MB)'
  debian_download trixie "$TMP/debs" wine64 libwine libz-mingw-w64 libc6 libgcc-s1 libunwind8 liblzma5
  say 'unpacking'
  local dist="$TMP/dist" package
  mkdir -p "$dist/glibc"
  for package in wine64 libwine; do
    unpack "$package" "$dist" --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='*/i386-windows*'
  done
  for package in libc6 libgcc-s1 libunwind8 liblzma5; do
    unpack "$package" "$dist/glibc" --exclude='./usr/share'
  done
  local dlls="$dist/usr/lib/x86_64-linux-gnu/wine/x86_64-windows"
  unpack libz-mingw-w64 "$TMP" ./usr/x86_64-w64-mingw32/lib/zlib1.dll
  mark_as_builtin "$TMP/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$dlls/zlib1.dll"
  # 500 MB of debug information. -S keeps the DOS header, so the files stay Wine's own; strip refuses a few: they stay.
  find "$dlls" -type f -size +100k -print0 |
    xargs -0 -n 40 -P "$(nproc)" x86_64-w64-mingw32-strip -S 2>/dev/null || true
  # `wineserver` is a script that names /usr/lib/wine, where another version may lie.
  ln -sf wineserver64 "$dist/usr/lib/wine/wineserver"
  # Wine looks for its data in share/wine/wine, which on Debian is a link made at installation.
  [ -e "$dist/usr/share/wine/wine" ] || ln -s . "$dist/usr/share/wine/wine"
  rm -rf "$ROOT/dist"
  mv "$dist" "$ROOT/dist"
  use_own_glibc
  touch "$ROOT/dist/.ok"
}

install_runner() {
  local name
  for name in msw msw-prefix; do
    sed "s|@ROOT@|$ROOT|g" "scripts/wine/$name" >"$TMP/$name"
    chmod 755 "$TMP/$name"
    mv "$TMP/$name" "$ROOT/bin/$name"
  done
  cat >"$ROOT/env" <<ENV
export PATH="$ROOT/bin:\$PATH"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$ROOT/bin/msw"
ENV
}

quietly() { timeout 120 "$@" </dev/null >/dev/null 2>&1; }

make_template() {
  [ ! -e "$ROOT/template/.ok" ] || return 0
  say 'making the prefix template'
  rm -rf "$ROOT/template"
  local bin="$ROOT/dist/usr/lib/wine"
  (
    export WINEPREFIX="$ROOT/template" WINELOADER="$bin/wine64" WINESERVER="$bin/wineserver64" WINEDEBUG=-all
    export WINEDLLOVERRIDES='mscoree=;mshtml=;winedbg.exe=d;winemenubuilder.exe=d' DISPLAY='' WAYLAND_DISPLAY=''
    quietly "$bin/wine64" wineboot -i
    quietly "$bin/wine64" winecfg -v win10
    # A crashed program ends at once instead of waiting for a debugger.
    quietly "$bin/wine64" reg add 'HKCU\Software\Wine\WineDbg' /v ShowCrashDialog /t REG_DWORD /d 0 /f
    quietly "$bin/wine64" reg add 'HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug' /v Auto /t REG_SZ /d 1 /f
    quietly "$bin/wineserver64" -w || true # until the registry is on disk
    "$ROOT/bin/msw-prefix" kill "$WINEPREFIX" # and its socket's folder; a copy names its own
    rm -rf "$WINEPREFIX/drive_c/windows/winsxs"
    [ -e "$WINEPREFIX/system.reg" ]
  )
  touch "$ROOT/template/.ok"
}

prove_it_runs() {
  local prefix="$TMP/proof" answer
  "$ROOT/bin/msw-prefix" new "$prefix"
  answer=$(WINEPREFIX="$prefix" timeout 60 "$ROOT/bin/msw" cmd /c ver </dev/null | tr -d '\r\n')
  "$ROOT/bin/msw-prefix" rm "$prefix"
  case "$answer" in
    *'Windows 10.'*) ;;
    *) say "cannot run Windows programs: \`cmd /c ver\` answered '$answer'"; exit 1 ;;
  esac
}

if [ "$(cat "$STAMP" 2>/dev/null)" = "$RECIPE" ]; then
  say "ready: $ROOT"
  exit 0
fi
mkdir -p "$ROOT/bin"
TMP=$(mktemp -d "$ROOT/.tmp.XXXXXX")
trap 'rm -rf "$TMP"' EXIT
install_wine
install_runner
make_template
prove_it_runs
echo "$RECIPE" >"$STAMP"
say "ready: $ROOT"
