#!/usr/bin/env bash
# The conformance gate: every animal of the zoo fails its own property and no other; a failure shrinks to a few
# operations that replay; what is shipped passes, in every choice that an option offers.
# usage: check.sh BUILD [all]; all: every combination of options' choices, minutes long, else every choice once
set -u
. "$(dirname "$0")/lib.sh"

echo "== the zoo"
failing() { grep -E '^  [a-z-]+ +fail ' "$1" | awk '{ print $1 }' | tr '\n' ' '; }
# visit ANIMAL PROPERTY: what of it goes wrong is added to ./broken
visit() {
  local animal=$1 property=$2 want=0 got fails seed out=zoo-$1.out err=zoo-$1.err only=()
  [ "$property" = none ] || want=3
  # Sanitizers make it slow: that an animal fails nothing else is held without them.
  [ "$property" = none ] || [ "$sanitized" = 0 ] || only=(--property "$property")
  # One that races is seen by chance: it has several.
  for seed in 1 2 3 4 5; do
    "$s" check "$ZOO/zoo-$animal.so" --quick "${only[@]}" --seed $seed > "$out" 2> "$err"
    got=$?
    [ "$animal" = all-threads ] && [ $got = 0 ] || break
  done
  [ "$property" != none ] || property=
  fails=$(failing "$out")
  [ $got = $want ] || { echo "$animal: exit status $got, expected $want"; cat "$out" "$err"; } >> broken
  [ "$fails" = "${property:+$property }" ] || { echo "$animal fails '$fails', expected '$property'"; cat "$out"; } >> broken
}
export -f failing visit
export s ZOO sanitized
: > broken
while read -r animal property; do
  [ "$racing" = 0 ] || [[ $animal =~ ^(nothing|other-cpu|all-threads|bulk)$ ]] || continue
  # Mappings that a sanitizer makes are no leak: there none is looked at.
  [ "$sanitized" = 0 ] || [ "$animal" != leak-map ] || continue
  echo "$animal $property"
done <<'EOF' | xargs -P 2 -L 1 bash -c 'visit "$@"' _
nothing none
unaligned none
mapped none
one-cpu none
foreign memory
namesake memory
alignment alignment
hwcache alignment
pages-low alignment
overlap overlap
overlap-aligned overlap
contents contents
zeroing zeroing
zeroing-far contents
percpu-dirty zeroing
usable usable
usable-less usable
other-cpu other-cpu
all-threads all-threads
bulk bulk
bulk-short bulk
bulk-never bulk
device device
device-beyond device
boot boot
pool pool
dtor ctor
exhaustion exhaustion
destroy destroy
live snapshot
handed snapshot
check-blind check
check-cries check
double-free double-free
foreign-free foreign-free
option options
option-mute options
leak-heap close
leak-map close
leak-file close
reopen reopen
EOF
[ ! -s broken ] || fail "$(cat broken)"
[ "$racing" = 1 ] || grep -qF "with level = 9: the process was ended by signal 6 (Aborted): the level is too high" zoo-option.out ||
  fail "the last words before a signal are not told: $(cat zoo-option.out)"

# Sanitizers make it slow, and the gate the same.
if [ "$sanitized" = 0 ]; then
  echo "== mutants of a right allocator are noticed, each in what it is wrong in"
  expect 0 "$s" check "$MUTANTS/right.so" --quick
  export MUTANTS
  # judge MUTANT PROPERTY
  judge() {
    local got out=mutant-$1.out
    "$s" check "$MUTANTS/$1.so" --quick --property "$2" > "$out" 2>&1
    got=$?
    # One that crashes or hangs is seen by anybody.
    [ $got = 3 ] && [[ " $(failing "$out")" == *" $2 "* ]] && ! grep -qE "ended by signal|did not end within" "$out" || { echo "$1: exit status $got, fails '$(failing "$out")', expected '$2'"; } >> broken
  }
  export -f judge
  : > broken
  cat > mutants <<'EOF'
pages-align-10 alignment
pages-align-5 alignment
pages-zero-first zeroing
pages-zero-by-page page-structs
pages-leak-8 exhaustion
pages-leak-by-page page-structs
pages-leak-half exhaustion
pages-free-more overlap
pages-pfn page-structs
pages-pfn-tail page-structs
pages-virt-tail page-structs
pages-virt-null page-structs
pages-address-tail page-structs
pages-null page-structs
pages-null-node page-structs
pages-overlap-4 overlap
pages-free-blocks snapshot
pages-free-blocks-9 snapshot
pages-held snapshot
pages-live page-structs
pages-handed snapshot
pages-node-ignored page-structs
pages-node-other page-structs
pages-node-high page-structs
pages-thisnode page-structs
pages-node-alone page-structs
pages-check-blind-at snapshot
pages-kmap page-structs
pages-insert page-structs
pages-cold page-structs
sized-zero-big zeroing
sized-overlap-big snapshot
sized-align alignment
sized-usable-big usable
sized-leak-big exhaustion
cache-align alignment
cache-short-big overlap
cache-link-behind contents
cache-zero-half zeroing
cache-ctor ctor
cache-ctor-once ctor
cache-destroy destroy
cache-destroy-never destroy
bulk-less bulk
bulk-twice bulk
bulk-free bulk
bulk-live bulk
EOF
  for built in "$MUTANTS"/*.so; do
    name=$(basename "$built" .so)
    [ "$name" = right ] || grep -q "^$name " mutants || fail "$name is no row of the mutants"
  done
  xargs -P 2 -L 1 bash -c 'judge "$@"' _ < mutants
  [ ! -s broken ] || fail "$(cat broken)"
fi

# The rest up to what is shipped is of words, files and single children.
if [ "$racing" = 0 ]; then
expect 0 "$s" check "$ZOO/zoo-unaligned.so" --property alignment
has out "an alignment of 32 was never served"

echo "== a failure shrinks, and replays"
"$s" check "$ZOO/zoo-zeroing.so" --property zeroing > out
has out "shortest failing sequence found: 3 operations"
command=$(grep -o "scullbench check.*" out | sed "s#^scullbench#$s#")
bash -c "$command" > again
grep -q "^  zeroing  *fail " again || { fail "the printed command doesn't fail: $command"; cat again; }
expect 0 "$s" check "$ZOO/zoo-zeroing.so" --property zeroing --ops "a1:sized:64:0z f1"
expect 1 "$s" check "$ZOO/zoo-zeroing.so" --property zeroing --ops "a1:sizd:64:0z f1"
has out "'a1:sizd:64:0z' is not an operation of this plugin"
expect 2 "$s" check slub --property zeroin
has err "did you mean 'zeroing'"
expect 2 "$s" check slub --ops "f1"
has err "--ops needs --property"
expect 0 "$s" check vmalloc --quick --property check --option highmem=8MiB # high memory has no mapping of its own
# A whole node of it, too; and kmap is tried.
for highmem in 8MiB 32MiB; do
  expect 0 "$s" check buddy --quick --property page-structs --option highmem=$highmem
  has out "page-structs  pass"
done
expect 2 "$s" check slbu
has err "did you mean 'slub'"
expect 2 "$s" check slub --option percup=no
has err "did you mean 'percpu'"

echo "== what misbehaves in other ways"
for bad in segv exit; do
  expect 3 "$s" check "$BAD_PLUGINS/$bad.so" --quick --property overlap
done
expect 1 "$s" check "$BAD_PLUGINS/openfail.so"
has out "the moon is in the wrong quarter"
has out "Nothing could be tried."

echo "== how rare a fault is seen is said"
expect 0 "$s" check "$ZOO/zoo-nothing.so" --property contents --quick
grep -qE '[0-9]+ blocks were compared when they were freed: damage that comes once in [0-9]+ frees or more often is seen with 95 %' out ||
  fail "check doesn't say how rare a fault it sees"
if [ "$sanitized" = 0 ]; then
  expect 0 "$s" check slub --property contents
  [ "$(grep -oE '[0-9]+ blocks were compared' out | grep -oE '[0-9]+')" -ge 1000000 ] || fail "a full check compares fewer than a million blocks: $(cat out)"
fi

echo "== what the machine cuts short is no fault of the plugin, and no pass"
# kill_checks N: ends the first N checks from outside, as a kernel short of memory would
kill_checks() {
  local pid n=0 last=""
  for _ in $(seq 2000); do
    [ $n -lt "$1" ] || return
    for pid in $(pgrep -x scullbench-chec); do
      [ "$(readlink "/proc/$pid/cwd")" = "$dir" ] && [ "$pid" != "$last" ] && kill -KILL "$pid" 2> /dev/null && n=$((n + 1)) && last=$pid
    done
    sleep 0.01
  done
}
kill_checks 1 &
"$s" check "$ZOO/zoo-nothing.so" --property contents > out 2> err
[ $? = 0 ] || { fail "a check that was killed once is not tried again"; cat out; }
wait
kill_checks 2 &
"$s" check "$ZOO/zoo-nothing.so" --property contents > out 2> err
[ $? = 1 ] || { fail "a check that was killed twice says something of the plugin"; cat out; }
wait
has out "untested"
has out "the machine: "
has out "killed from outside (signal 9)"
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null && [ "$sanitized" = 0 ]; then
  # As a user who may start no thread: what the check can't try isn't the plugin's failure.
  mkdir nobody && chmod 777 nobody "$dir"
  # The gate itself is one, a check two with its way out for results, and a thread of the check's would be one more.
  for threads in 2 3; do
    (cd nobody && HOME=$dir/nobody XDG_CACHE_HOME='' prlimit --nproc=$threads:$threads setpriv --reuid=65534 --regid=65534 --clear-groups \
      "$s" check "$ZOO/zoo-nothing.so" --quick --property other-cpu) > out 2> err
    [ $? = 1 ] || { fail "a check that can't start threads passes, or fails"; cat out err; }
    has out "other-cpu     untested"
    has out "the machine: "
    has out "Resource temporarily unavailable"
  done
fi

echo "== what passed is known by its bytes: another build with the same build-id is checked"
mkdir same
cat > same.ini <<'INI'
[experiment]
repetitions = 1
duration = 2ms
warmup = 0ms
survey = 0
[machine]
memory = 32MiB
[matrix]
allocator = zoo-nothing
workload = objects
INI
cp "$ZOO/zoo-nothing.so" same/x.so
chmod 644 same/x.so
XDG_CACHE_HOME=$dir/cache expect 0 "$s" run same.ini --plugin-path same --db same1.db
has err "checking zoo-nothing"
XDG_CACHE_HOME=$dir/cache expect 0 "$s" run same.ini --plugin-path same --db same2.db
grep -q "checking zoo-nothing" err && fail "what passed is checked again"
[ "$(stat -c %a "$dir/cache/scullbench/checked")" = 600 ] || fail "others may write what is taken for checked"
id=$(objcopy -O binary --only-section=.note.gnu.build-id same/x.so /dev/stdout | cksum)
echo "other bytes" > extra && objcopy --add-section .extra=extra same/x.so
[ "$id" = "$(objcopy -O binary --only-section=.note.gnu.build-id same/x.so /dev/stdout | cksum)" ] || fail "the test changed the build-id"
XDG_CACHE_HOME=$dir/cache expect 0 "$s" run same.ini --plugin-path same --db same3.db
has err "checking zoo-nothing"

echo "== malloc libraries keep the promises, or say which arguments are wrong"
for library in libjemalloc.so.2 libmimalloc.so.2 libtcmalloc_minimal.so.4 libtbbmalloc.so.2; do
  ldconfig -p | grep -q "$library" || { echo "skipped: no $library"; continue; }
  [ "$sanitized" = 0 ] || { echo "skipped: a library's malloc beside a sanitizer's"; break; }
  expect 0 "$s" check malloc --quick --option library=$library
  wrong=size-first
  case $library in libmimalloc*|libtbb*) wrong=alignment-first ;; esac
  expect 1 "$s" check malloc --quick --option library=$library --option aligned_order=$wrong
  has out "aligned_order: taken as $wrong"
done

# Both call themselves by public names: what they then get wrong is their own, and no other library's.
if [ "$sanitized" = 0 ] && ldconfig -p | grep -q libefence.so.0; then
  EF_ALIGNMENT=16 expect 0 "$s" check malloc --quick --option library=libefence.so.0 --option aligned=memalign
  expect 3 "$s" check malloc --quick --option library=libefence.so.0 --option aligned=memalign
  [ "$(failing out)" = "alignment " ] || { fail "libefence aligns to 4 bytes, and has no other fault"; cat out; }
else
  echo "skipped: no libefence"
fi
# A collector takes back what only memory that it doesn't know points to.
if [ "$sanitized" = 0 ] && ldconfig -p | grep -q libgc.so.1; then
  expect 3 "$s" check malloc --quick --option library=libgc.so.1 --option prefix=GC_ --option aligned=GC_memalign
else
  echo "skipped: no libgc"
fi
fi

echo "== what is shipped passes, in combinations of its options' choices"
# choices PLUGIN: a line an option, "name value value…"
choices() {
  "$s" describe "$1" | awk '
    /^  [a-z0-9_]+ = /      { name = $1 }
    / one of |^ +yes or no;/ { sub(/;.*/, ""); if ($0 ~ /yes or no/) $0 = "one of yes, no"
                               sub(/.*one of /, ""); gsub(/,/, ""); print name, $0 }'
}
# combinations PLUGIN: a line each, "PLUGIN --option name=value …"
combinations() {
  local lines=("$1") more name values line value
  while read -r name values; do
    more=()
    for line in "${lines[@]}"; do
      for value in $values; do
        # Letters add up, and `unit-slub` has each.
        [ "$name" != slub_debug ] || [[ $value =~ ^(-|FZPU)$ ]] || continue
        # Of a library that can't be had nothing is asked.
        [ "$1 $name $value" = "malloc use_sized_free yes" ] || more+=("$line --option $name=$value")
      done
    done
    lines=("${more[@]}")
  done < <(choices "$1")
  printf '%s\n' "${lines[@]}"
}
try() {
  # shellcheck disable=SC2086
  out=$("$s" check $1 --quick 2>&1) || printf 'check %s\n%s\n' "$1" "$out" >> broken
}
export -f try
export s
shipped="buddy slub slab slob kmalloc vmalloc mempool percpu bootmem malloc bump null"
for plugin in $shipped; do
  # Sanitizers make it slow; there the defaults alone are tried.
  if [ "$sanitized" = 0 ]; then combinations $plugin; else echo $plugin; fi
done > all
if [ "${2:-}" = all ]; then
  cp all combinations
else
  # As few as have every choice of every option at least once.
  awk '{ line[NR] = $0 }
       END { do { best = 0
                  for (k in line) { n = split(line[k], w, " "); new = !(w[1] in seen)
                                    for (i = 3; i <= n; i += 2) new += !((w[1], w[i]) in seen)
                                    if (new > best || (new && new == best && k < pick)) { best = new; pick = k } }
                  if (best) { print line[pick]; n = split(line[pick], w, " "); seen[w[1]]
                              for (i = 3; i <= n; i += 2) seen[w[1], w[i]] }
             } while (best) }' all > combinations
fi
for plugin in $shipped; do
  grep -q "^$plugin\>" combinations || fail "$plugin is not tried"
done
[ "$sanitized" != 0 ] || [ "$(wc -l < all)" -ge 100 ] || fail "only $(wc -l < all) combinations of choices were found"
: > broken
xargs -P 2 -I '{}' bash -c 'try "{}"' < combinations
[ -s broken ] && { fail "shipped plugins break promises"; cat broken; }
conclude
