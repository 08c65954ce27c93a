#!/usr/bin/env bash
# Builds examples/go-server for Linux and Windows into target/go-server, and only what is older than its source.
#
#   build-go-server.sh [linux|windows]...    (default: both)
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SOURCE=examples/go-server
readonly OUT=target/go-server

is_fresh() {
  [ -e "$1" ] && [ -z "$(find "$SOURCE" \( -name '*.go' -o -name go.mod \) -newer "$1" -print -quit)" ]
}

build_for() {
  local system=$1 file=$OUT/$1/go-server architecture
  architecture=$(go env GOHOSTARCH)
  # Windows is tested on x86-64 alone.
  [ "$system" != windows ] || { file=$file.exe; architecture=amd64; }
  ! is_fresh "$file" || return 0
  mkdir -p "$OUT/$system"
  # Pure Go with the Go that is here and no network: the same on every machine.
  # Moved into place, so that nobody ever starts half a file.
  (
    cd "$SOURCE"
    env GOOS="$system" GOARCH="$architecture" CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off \
      go build -trimpath -o "../../$file.new.$$" .
  )
  mv "$file.new.$$" "$file"
}

command -v go >/dev/null || { echo 'build-go-server: cannot find go: run scripts/setup-go.sh' >&2; exit 1; }
[ $# -gt 0 ] || set -- linux windows
for system in "$@"; do
  case $system in
    linux | windows) build_for "$system" ;;
    *) echo "build-go-server: cannot build for $system: only linux and windows" >&2; exit 2 ;;
  esac
done
