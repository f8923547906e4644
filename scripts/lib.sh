# What bench and test share; sourced, not run.
# shellcheck shell=bash

say() { if [ -t 2 ]; then printf '\033[1m%s\033[0m\n' "$*" >&2; else printf '%s\n' "$*" >&2; fi; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_packages="cmake ninja-build gcc libc6-dev pkg-config libhwloc-dev libpfm4-dev libinih-dev libsqlite3-dev libjansson-dev libcmocka-dev gnuplot-nox"
malloc_packages="libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libtbbmalloc2 electric-fence libgc1"
cross_packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

# Installs those of the named Debian packages that are missing.
need() {
  local missing="" package
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    if [ -n "${SCULLBENCH_HAVE_PACKAGES:-}" ]; then
      return
    fi
    say "This is not a Debian-like system. Install what these Debian packages hold, then set SCULLBENCH_HAVE_PACKAGES=1:"
    echo "  $*" >&2
    exit 1
  fi
  for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { say "Missing packages, and neither root nor sudo:$missing"; exit 1; }
    sudo=sudo
  fi
  say "Installing:$missing"
  # shellcheck disable=SC2086
  $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null ||
    { say "apt-get could not install:$missing"; exit 1; }
}

# Builds a preset of CMakePresets.json.
build() {
  say "Building the $1 preset"
  (cd "$root" && cmake --preset "$1" > "$root/.cmake-$1.log" 2>&1) ||
    { cat "$root/.cmake-$1.log" >&2; exit 1; }
  rm -f "$root/.cmake-$1.log"
  (cd "$root" && cmake --build --preset "$1" -- --quiet) || exit 1
}
