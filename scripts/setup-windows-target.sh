#!/usr/bin/env bash
# Makes plain `cargo build|test|clippy --target x86_64-pc-windows-gnu` work, because Windows is built and tested on Linux.
#
# 1. The linker: mingw-w64 from Debian.
# 2. Rust's std for Windows: `rustup target add` where that works. Where it does not (no network but package
#    registries), std is built once from Debian's rust-src into the toolchain's sysroot, just as rustup would have put
#    it there. So the project's own builds need neither -Zbuild-std nor RUSTC_BOOTSTRAP.
#
# Takes a few milliseconds when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly TARGET=x86_64-pc-windows-gnu
# The one source of std we know to be right: it must be the version of the compiler in use.
readonly SOURCE_RUST=1.95.0
readonly SOURCE_VERSION=1.95.0+dfsg1-2~bpo13+1
readonly SOURCE_SUITE=trixie-backports
readonly SOURCE_SHA256=7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b

export RUSTUP_AUTO_INSTALL=0
SYSROOT=$(rustc --print sysroot)
RUST_VERSION=$(rustc -vV | sed -n 's/^release: //p')
RUST_COMMIT=$(rustc -vV | sed -n 's/^commit-hash: //p')
STD_DIR="$SYSROOT/lib/rustlib/$TARGET/lib"
WORK_DIR=
trap '[ -z "$WORK_DIR" ] || rm -rf "$WORK_DIR"' EXIT

say() { printf 'setup-windows-target: %s\n' "$*" >&2; }

install_linker() {
  command -v x86_64-w64-mingw32-gcc >/dev/null || debian_install gcc-mingw-w64-x86-64
}

# A std we built ourselves carries the compiler's commit: after an update of the compiler it is stale.
have_std() {
  ls "$STD_DIR"/libstd-*.rlib >/dev/null 2>&1 || return 1
  [ ! -e "$STD_DIR/.from-src" ] || [ "$(cat "$STD_DIR/.from-src")" = "$RUST_COMMIT" ]
}

# rustup is not asked once we built std here: it would see files it does not know.
rustup_has_std() {
  [ ! -e "$STD_DIR/.from-src" ] && command -v rustup >/dev/null &&
    timeout 60 rustup target add "$TARGET" >/dev/null 2>&1 && have_std
}

fetch_std_source() {
  local source_dir="$SYSROOT/lib/rustlib/src/rust" package
  [ ! -e "$source_dir/library/std/Cargo.toml" ] || return 0
  [ "$RUST_VERSION" = "$SOURCE_RUST" ] || {
    say "cannot build std for rustc $RUST_VERSION: the pinned source is $SOURCE_RUST; pin another rust-src in this script"
    exit 1
  }
  debian_download "$SOURCE_SUITE" "$WORK_DIR/source" "rust-src=$SOURCE_VERSION"
  package=$(ls "$WORK_DIR"/source/rust-src_*.deb)
  echo "$SOURCE_SHA256  $package" | sha256sum -c --quiet - || {
    say "cannot use $(basename "$package"): its checksum is not the pinned one"
    exit 1
  }
  mkdir -p "$source_dir"
  dpkg-deb --fsys-tarfile "$package" |
    tar -x -C "$WORK_DIR/source" --strip-components=4 "./usr/src/rustc-$SOURCE_RUST/library"
  rm -rf "$source_dir/library"
  mv "$WORK_DIR/source/library" "$source_dir/library"
}

# RUSTC_BOOTSTRAP is needed for -Zbuild-std and set for this one command only: build scripts that look for a nightly
# compiler would take other paths with it.
build_std() {
  local new="$STD_DIR.new.$$"
  mkdir -p "$WORK_DIR/src"
  echo 'fn main() {}' >"$WORK_DIR/src/main.rs"
  cat >"$WORK_DIR/Cargo.toml" <<'TOML'
[package]
name = "stdseed"
version = "0.0.0"
edition = "2021"
[workspace]
[profile.release]
debug = 0
TOML
  (
    # The sysroot's own toolchain, whatever folder we stand in.
    cd "$WORK_DIR"
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
      RUSTC="$SYSROOT/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$WORK_DIR/target" CARGO_INCREMENTAL=0 \
      "$SYSROOT/bin/cargo" build -q --release --target "$TARGET" -Zbuild-std=std,panic_unwind,panic_abort,test,proc_macro
  )
  rm -rf "$new"
  mkdir -p "$new"
  find "$WORK_DIR/target/$TARGET/release" -name 'lib*.rlib' -exec cp {} "$new/" \;
  ls "$new"/libstd-*.rlib "$new"/libtest-*.rlib "$new"/libcore-*.rlib >/dev/null
  echo "$RUST_COMMIT" >"$new/.from-src"
  rm -rf "$STD_DIR"
  mkdir -p "$(dirname "$STD_DIR")"
  mv "$new" "$STD_DIR"
}

prove_it_links() {
  echo 'fn main() { std::thread::spawn(|| println!("ok")).join().unwrap() }' >"$WORK_DIR/proof.rs"
  "$SYSROOT/bin/rustc" --target "$TARGET" -C linker=x86_64-w64-mingw32-gcc -o "$WORK_DIR/proof.exe" "$WORK_DIR/proof.rs"
}

install_linker
if have_std; then
  say "ready: $TARGET"
elif rustup_has_std; then
  say "ready: $TARGET from rustup"
else
  say "rustup cannot add $TARGET: building std $RUST_VERSION from source, once for this toolchain"
  WORK_DIR=$(mktemp -d)
  fetch_std_source
  build_std
  prove_it_links
  say "ready: $TARGET built from source"
fi
