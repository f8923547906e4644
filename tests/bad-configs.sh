#!/usr/bin/env bash
# Every broken config gives exactly the expected messages, exit status 2, and nothing else.
# usage: bad-configs.sh BUILD [--write]      --write records what comes out as expected: read it before you commit it
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/bad-config" || exit 1
export HWLOC_SYNTHETIC="numa:1 core:2 pu:1"
unset SCULLBENCH_PLUGIN_PATH SB_NO_SUCH_VARIABLE
failed=0 n=0
for ini in *.ini; do
  expected=${ini%.ini}.expected
  out=$("$build/scullbench" plan "$ini" 2>&1 >/dev/null)
  status=$?
  out=${out//"$PWD"/HERE}
  if [ "${2:-}" = --write ]; then
    printf '%s\n' "$out" > "$expected"
  fi
  n=$((n + 1))
  if [ $status != 2 ]; then
    echo "$ini: exit status $status, expected 2"
    failed=$((failed + 1))
  fi
  if ! diff -u "$expected" <(printf '%s\n' "$out"); then
    failed=$((failed + 1))
  fi
done
# A run must refuse what a plan refuses, before it makes a database.
dir=$(mktemp -d)
if "$build/scullbench" run 02-unknown-key.ini --db "$dir/x.db" 2>/dev/null || [ -e "$dir/x.db" ]; then
  echo "run accepted what plan refuses, or left a database"
  failed=$((failed + 1))
fi
rm -r "$dir"
echo "$n configs, $failed wrong"
[ $n -ge 100 ] && [ $failed = 0 ]
