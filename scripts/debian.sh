# shellcheck shell=bash
# Packages from Debian for the set-up scripts, because every tool the tests need comes from there. To be sourced.
#
# The machine's own apt sources decide which mirror is asked; MAINSTAY_DEBIAN_MIRROR overrides it.

# Runs a command as root: directly, or through sudo for an ordinary user.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the given packages that are missing. Asks apt nothing when all are there.
debian_install() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || {
    echo "cannot install ${missing[*]}: this is not a Debian machine; install them by hand" >&2
    return 1
  }
  echo "installing ${missing[*]}" >&2
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Prints the Debian mirror this machine uses, with a slash at its end.
debian_mirror() {
  local mirror=${MAINSTAY_DEBIAN_MIRROR:-}
  # shellcheck disable=SC2016 # apt's own variables
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
  [ -n "$mirror" ] || {
    echo "cannot find a Debian mirror in apt's sources: set MAINSTAY_DEBIAN_MIRROR" >&2
    return 1
  }
  echo "${mirror%/}/"
}

# debian_download SUITE DIR PACKAGE...: puts another release's packages, checked against its signed lists, into DIR.
# apt gets a private state folder, so the machine's own sources stay as they are.
debian_download() {
  local suite=$1 dir=$2 state mirror status=0
  shift 2
  mirror=$(debian_mirror)
  state=$(mktemp -d)
  mkdir -p "$dir" "$state/lists/partial" "$state/archives/partial" "$state/parts"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$state/sources.list"
  cat >"$state/apt.conf" <<CONF
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "$state/parts";
Dir::Etc::preferencesparts "$state/parts";
Dir::State::lists "$state/lists";
Dir::Cache "$state";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  (
    export APT_CONFIG="$state/apt.conf"
    cd "$dir" && apt-get update -qq && apt-get download -qq "$@"
  ) || status=$?
  rm -rf "$state"
  return "$status"
}
