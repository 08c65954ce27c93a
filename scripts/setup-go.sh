#!/usr/bin/env bash
# Installs Go where it is missing, because the example service (examples/go-server) is a Go program.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

command -v go >/dev/null || debian_install golang-go
printf 'setup-go: ready: %s\n' "$(go version)" >&2
