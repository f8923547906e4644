#!/usr/bin/env bash
# The model built for aarch64, its sequences assembled, its tests run: on the processor itself under ctest's other tests,
# elsewhere under qemu-user, which has no restartable sequences, so that the locks that stand in for them are what runs.
# usage: aarch64.sh BUILD
set -u
build=$(realpath "$1")/aarch64
cd "$(dirname "$0")/.." || exit 1
cc=aarch64-linux-gnu-gcc
[ "$(uname -m)" = aarch64 ] && { echo "skipped: this is aarch64, all tests are"; exit 77; }
command -v $cc > /dev/null || { echo "skipped: no $cc"; exit 77; }
mkdir -p "$build" || exit 1
flags="-std=gnu17 -O2 -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Werror -Iframework/include -Iallocators -Iframework"
objects=
for source in allocators/mm/*.c; do
  object=$build/$(basename "$source" .c).o
  # shellcheck disable=SC2086
  $cc $flags -c "$source" -o "$object" || exit 1
  objects="$objects $object"
done
# Every sequence ends in an abort handler behind the signature: that they are there at all.
aarch64-linux-gnu-objdump -d "$build/slub.o" | grep -q 'd428bc00' || { echo "FAILED: no sequence was assembled"; exit 1; }
qemu=$(command -v qemu-aarch64) || { echo "compiled; not run: no qemu-aarch64"; exit 77; }
failed=0
for test in pages slabs mm rseq; do
  # shellcheck disable=SC2086
  $cc $flags -Itests/aarch64 -DDATA_DIR="\"$PWD/tests/data\"" "tests/unit/test_$test.c" $objects -pthread -static -o "$build/test_$test" || exit 1
  if ! "$qemu" "$build/test_$test" > "$build/$test.log" 2>&1; then
    echo "FAILED: $test"
    tail -3 "$build/$test.log"
    failed=1
  else
    echo "$test: $(tail -1 "$build/$test.log")"
  fi
done
exit $failed
