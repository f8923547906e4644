#!/usr/bin/env bash
# clang-tidy finds nothing in the framework, the allocators, the workloads and the recorder.
# usage: tidy.sh BUILD
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/.." || exit 1
command -v clang-tidy > /dev/null || { echo "skipped: no clang-tidy"; exit 77; }
find framework allocators workloads recorder -name '*.c' -print0 |
  xargs -0 -P "$(nproc)" -n 4 clang-tidy --quiet --extra-arg=-Wno-ignored-optimization-argument -p "$build" > "$build/tidy.log" 2>&1
status=$?
grep -E 'warning:|error:' "$build/tidy.log"
exit $status
