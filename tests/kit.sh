#!/usr/bin/env bash
# The plugin kit as a stranger finds it: installed, a new allocator in C and in C++ and a new workload, each built outside
# of scullbench by find_package, checked, listed and measured.
# usage: kit.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
[ "$sanitized" = 0 ] || { echo "skipped: a build with sanitizers is not installed"; exit 77; }
cmake --install "$build" --prefix "$dir/prefix" > install.log || { cat install.log; fail "cmake --install"; conclude; }
s=$dir/prefix/bin/scullbench
for file in include/scullbench/allocator.h share/man/man1/scullbench.1 share/scullbench/kit/allocator.in \
  share/bash-completion/completions/scullbench share/zsh/site-functions/_scullbench share/fish/vendor_completions.d/scullbench.fish; do
  [ -s "prefix/$file" ] || fail "$file isn't installed"
done
pc=$(find prefix -name scullbench.pc)
[ -n "$pc" ] && grep -q '^Cflags: -I' "$pc" || fail "no scullbench.pc"
expect 0 "$s" list
has out "slub"
expect 0 "$s" new allocator by-hand
if command -v pkg-config > /dev/null; then
  # shellcheck disable=SC2046
  cc -shared -fPIC $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags scullbench) -o by-hand.so by-hand/*.c ||
    fail "a plugin can't be compiled by pkg-config's flags"
  expect 0 "$s" check ./by-hand.so --quick --property overlap
fi

echo "== new projects build, pass, are listed and measured"
make_project() {
  cmake -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$dir/prefix" > "$1.log" 2>&1 && cmake --build "$1/build" >> "$1.log" 2>&1 ||
    { fail "$1 doesn't build"; cat "$1.log"; }
}
expect 0 "$s" new allocator first-try
expect 0 "$s" new allocator second-try --lang c++ --dir second
expect 0 "$s" new workload third-try
expect 0 "$s" new workload fourth-try --lang c++
make_project first-try
make_project second
make_project third-try
make_project fourth-try
mkdir plugins
cp first-try/build/first-try.so second/build/second-try.so third-try/build/third-try.so fourth-try/build/fourth-try.so plugins/
export SCULLBENCH_PLUGIN_PATH=$dir/plugins
expect 0 "$s" list
for name in first-try second-try third-try fourth-try; do has out "$name"; done
expect 0 "$s" check first-try --quick
grep -qE '^  contents +pass' out || fail "the new allocator isn't tried"
expect 0 "$s" check second-try --quick
expect 0 "$s" check ./plugins/first-try.so --quick --property overlap
matrix() { sed -i 's/^repetitions = .*/repetitions = 1/; s/^duration = .*/duration = 10ms/' "$1"; }
matrix first-try/first-try.ini
matrix second/second-try.ini
matrix third-try/third-try.ini
expect 0 "$s" run first-try/first-try.ini --db first.db
expect 0 "$s" run second/second-try.ini --db second.db
expect 0 "$s" run third-try/third-try.ini --db third.db
for db in first second third; do
  [ "$(sqlite3 $db.db "select group_concat(distinct status) from trial")" = ok ] || fail "$db.db: not all trials are ok"
done
expect 2 "$s" new alocator x
has err "did you mean 'allocator'"
expect 2 "$s" new allocator "../x"
has err "no name for a plugin"
expect 1 "$s" new allocator first-try
has err "exists; nothing is overwritten"
conclude
