#!/usr/bin/env bash
# clang-format leaves every file as it is, but for those that must never change again.
set -u
cd "$(dirname "$0")/.." || exit 1
command -v clang-format > /dev/null || { echo "skipped: no clang-format"; exit 77; }
find framework allocators workloads recorder tests -name '*.[ch]' -not -path 'tests/frozen/*' -print0 | xargs -0 clang-format --dry-run -Werror || exit 1
