# What the tests that use the programs share; sourced, not run. Works in a folder of its own.
# shellcheck shell=bash
build=$(realpath "$1")
# shellcheck disable=SC2034
s=$build/scullbench
# shellcheck disable=SC2034
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
sanitized=$(grep -c '^SANITIZE:STRING=..*' "$build/CMakeCache.txt")
# The thread sanitizer makes all slow, and looks for races alone: what has one thread has nothing for it.
# shellcheck disable=SC2034
racing=$(grep -c '^SANITIZE:STRING=thread' "$build/CMakeCache.txt")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset SCULLBENCH_PLUGIN_PATH HWLOC_SYNTHETIC HWLOC_XMLFILE
# What one test has proved of a build needs no proof in the next.
export XDG_CACHE_HOME=$build/test-cache
failed=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }
# expect STATUS COMMAND...: output in ./out
expect() {
  local want=$1 got
  shift
  "$@" > out 2> err
  got=$?
  [ $got = "$want" ] || { fail "exit status $got, expected $want: $*"; cat out err; }
}
has() { grep -qF -- "$2" "$1" || { fail "$1 lacks: $2"; cat "$1"; }; }
# column NAME FILE: that column of a CSV without quoted cells
column() { awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' "$2"; }
conclude() { [ $failed = 0 ] && echo "all well"; exit $((failed != 0)); }
