#!/usr/bin/env bash
# The planted faults of tests/mutants still fit the sources, and name tests that exist. scripts/mutants plants them.
# usage: mutants.sh BUILD
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/.." || exit 1
command -v patch > /dev/null || { echo "skipped: no patch"; exit 77; }
known=$(ctest --test-dir "$build" -N | sed -n 's/^ *Test *#[0-9]*: *//p')
failed=0 n=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }
for file in tests/mutants/*.patch; do
  n=$((n + 1))
  for key in room tests fault; do
    grep -q "^$key: ." "$file" || fail "$file says nothing of its $key"
  done
  for test in $(sed -n 's/^tests: //p' "$file"); do
    grep -qx "$test" <<< "$known" || fail "$file names the test $test, which there is not"
  done
  patch -s -p1 --dry-run < "$file" > /dev/null 2>&1 || fail "$file doesn't fit the sources any more"
done
[ $n -ge 60 ] || fail "there are $n planted faults only"
echo "$n planted faults, $failed wrong"
[ $failed = 0 ]
