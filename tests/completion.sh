#!/usr/bin/env bash
# The shells' completions know every verb, and bash's completes what it should.
# usage: completion.sh BUILD
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/../scripts/completion" || exit 1
PATH=$build:$PATH
failed=0
fail() { echo "$*"; failed=1; }
verbs=$("$build/scullbench" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | paste -sd ' ')
[ -n "$verbs" ] || fail "--help shows no verbs"
grep -q "compadd run .*" _scullbench || fail "zsh: no list of verbs"
for file in _scullbench scullbench.bash scullbench.fish; do
  grep -qE "(compadd|-W \"|set -l verbs) ?$verbs( |\"|$)" "$file" || fail "$file: its verbs are not '$verbs'"
done
. ./scullbench.bash
# expect WANTED WORD...: what the last word completes to, in alphabetical order
expect() {
  local wanted=$1
  shift
  COMP_WORDS=(scullbench "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _scullbench
  local got
  got=$(printf '%s\n' "${COMPREPLY[@]}" | sed 's/ *$//' | sort | paste -sd ' ')
  [ "$got" = "$wanted" ] || fail "'$*' completes to '$got', expected '$wanted'"
}
expect "report" rep
expect "--version" --v
expect "slab slob slub" check sl
expect "slab slob slub" dump sl
expect "scullc scullp scullv" describe scull
expect "experiment" describe exp
expect "scullp" dump slub --workload scullp
expect "allocator" new a
expect "c c++" new allocator x --lang ""
expect "bca" compare x.db --interval b
expect "--no-check" run x.ini --no
expect "" check slub --property ""
exit $failed
