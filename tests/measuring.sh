#!/usr/bin/env bash
# What the numbers rest on, tried as a user would: precision, layouts, steadiness, latencies, paced calls, valgrind,
# comparisons and their refusals, A/A, perf stat beside us. No time is asserted.
# usage: measuring.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
sql() { sqlite3 -readonly "$@"; }

cat > base.ini <<'INI'
[experiment]
repetitions = 6
duration = 10ms
warmup = 2ms
warmup_limit = 30ms
survey = 1
survey_points = 4
time_limit = 30s
[machine]
memory = 32MiB
[workload fifo]
plugin = objects
pattern = fifo
count = 1000
[workload scullp]
devices = 2
device_size = 256KiB
[matrix]
allocator = buddy, slub, malloc
workload = fifo, scullp
INI

echo "== what crosses between CPUs is counted, and how far they are apart is measured"
if [ "$(nproc)" -ge 2 ]; then
  cat > cross.ini <<'INI'
[experiment]
repetitions = 2
duration = 30ms
warmup = 5ms
steady = off
survey = 0
[machine]
memory = 32MiB
[pmu]
provider = none
[allocator apart]
plugin = buddy
nodes = 2
page_lists = no
[allocator together]
plugin = buddy
nodes = 1
page_lists = no
[workload scullp]
device_size = 1MiB
order = 0
[matrix]
allocator = apart, together, null
workload = scullp
threads = 1, 2
INI
  expect 0 "$s" run cross.ini --db cross.db
  crossed() { sql cross.db "select $1 from metric join trial on trial = number join cell on cell.id = cell where metric.name = 'crossed_blocks' and allocator = '$2' and threads = $3"; }
  [ "$(crossed 'count(*)' together 2)" = 2 ] && [ "$(crossed 'max(value) > 0' together 2)" = 1 ] || fail "nothing crosses between two CPUs in one zone: $(crossed value together 2)"
  [ "$(crossed 'max(value)' apart 2)" = 0.0 ] || fail "blocks cross between zones of a CPU each: $(crossed value apart 2)"
  [ "$(crossed 'max(value)' together 1)" = 0.0 ] || fail "blocks cross with one thread: $(crossed value together 1)"
  [ "$(crossed 'count(*)' null 2)" = 0 ] || fail "null knows what crosses"
  [ "$(sql cross.db "select count(*) from metric join trial on trial = number join cell on cell.id = cell where metric.name = 'cpu_distance_ns' and threads = 2 and value > 1 and value < 100000")" = 6 ] || fail "the CPUs' distance isn't measured"
  sql cross.db "select distinct reason from unavailable where name = 'cpu_distance_ns'" > out
  has out "one thread has no other to be far from"
  [ "$(sql cross.db "select count(*) from series where name = 'start_phase'")" = 6 ] || fail "start phases of two threads are not stored"
fi

echo "== two allocators are measured by turns in one process"
cat > turns.ini <<'INI'
[experiment]
repetitions = 8
mode = paired
baseline = slub
duration = 30ms
warmup = 2ms
steady = off
survey = 1
survey_points = 2
[workload fifo]
plugin = objects
pattern = fifo
count = 500
[matrix]
allocator = slub, null, malloc
workload = fifo
INI
# Eight rounds at least, of which sanitizers make long ones.
[ "$sanitized" = 0 ] || sed -i 's/duration = 30ms/duration = 500ms/' turns.ini
for _ in 1 2 3 4 5; do
  rm -f turns.db
  expect 0 "$s" run turns.ini --db turns.db
  expect 0 "$s" compare turns.db --baseline slub
  ! grep -qE "^  null .* faster$" out || break
done
grep -qE "^  null .* faster$" out || { fail "null is not said to be faster than slub"; cat out; }
has out "sign test against the least difference that counts"
has out "noise floor: slub beside itself, by turns in one process"
[ "$(sql turns.db "select count(*) from metric where name = 'paired_ratio'")" = 24 ] || fail "not every process has a ratio"
# The ratio of the medians of rounds is near the median of their ratios, or one of them is wrong.
[ "$(sql turns.db "select count(*) from metric r join metric o on o.trial = r.trial join metric b on b.trial = r.trial where r.name = 'paired_ratio' and o.name = 'ops_per_s' and b.name = 'baseline_ops_per_s' and r.value / (o.value / b.value) between 0.8 and 1.25")" -ge 18 ] ||
  fail "ratios are not those of the rates: $(sql turns.db "select trial, name, value from metric where name in ('paired_ratio', 'ops_per_s', 'baseline_ops_per_s')")"
[ "$(sql turns.db "select group_concat(distinct memory_file) from trial")" = 0 ] || fail "one of a pair has older pages"
sql turns.db "select distinct reason from unavailable where name = 'footprint'" > out
has out "mode = paired measures speed alone"
expect 0 "$s" report turns.db --out turns-report
has turns-report/methods.md "Each process held the baseline (slub) beside its allocator"
has turns-report/methods.md "medians over processes of the ratio that each measured by turns"
has turns-report/methods.md "the sign test over processes against a difference of 0.5 %"
! grep -q "Memory and fragmentation are of" turns-report/methods.md || fail "methods speak of memory that wasn't measured"
grep -q "measured by turns" turns-report/report.md || fail "the chart of ratios doesn't say that they were measured by turns"
# The baseline needs no cell of its own.
expect 0 "$s" run turns.ini --db decided-turns.db --set experiment.repetitions=2..40 --set experiment.decide=20% --set matrix.allocator=slub,null --set "matrix.exclude=slub/*"
expect 0 "$s" compare decided-turns.db --baseline slub
grep -qE "^  null  *slub .*(faster|slower|within|not separated)$" out || { fail "null isn't compared with slub"; cat out; }
expect 2 "$s" compare decided-turns.db --baseline slab
expect 0 "$s" report decided-turns.db --out decided-report
has decided-report/methods.md "until it was certain whether it was faster or slower than that of slub or within 20 % of it"
# Eight processes are the least that decide anything.
[ "$(sql decided-turns.db "select max(repetition) from trial")" -ge 8 ] || fail "it ended before anything could be decided"
[ "$(sql decided-turns.db "select max(repetition) from trial")" -lt 40 ] || fail "what was decided went on to the end"
expect 0 "$s" plan turns.ini --set experiment.baseline=malloc
has out "it can't be paired with malloc: of two allocators of the plugin malloc"
expect 3 "$s" run turns.ini --db liar.db --no-check --plugin-path "$BAD_PLUGINS" --set experiment.baseline=liar --set matrix.allocator=slub,liar --set experiment.repetitions=1
sql liar.db "select status || ': ' || reason from trial join cell on cell.id = cell where allocator = 'slub'" > out
has out "check-failed: of the baseline beside it: the third list is upside down"

[ "$racing" = 0 ] || conclude

echo "== cells are repeated until they are precise enough, or their repetitions are used up"
early() { sql "$1" "select count(*) from (select cell from trial group by cell having count(*) < 9)"; }
# On a busy machine no cell may come within 50 %: that proves nothing, and is tried again.
for _ in 1 2 3 4 5; do
  rm -f wide.db
  expect 0 "$s" run base.ini --db wide.db --set experiment.repetitions=6..9 --set experiment.precision=50%
  grep -c '±50 % reached' out > reached
  [ "$(early wide.db)" -le "$(cat reached)" ] || fail "a cell ended before it was within ±50 %"
  [ "$(early wide.db)" = 0 ] || break
done
[ "$(early wide.db)" -ge 1 ] || fail "no cell ended before its repetitions were used up, in five runs"
# One after the other a cell stops by itself, before the next has begun.
for _ in 1 2 3 4 5; do
  rm -f sequential.db
  expect 0 "$s" run base.ini --db sequential.db --set experiment.repetitions=6..9 --set experiment.precision=50% --set experiment.order=sequential
  [ "$(sql sequential.db "select count(*) from trial where cell = 1")" = 9 ] || break
done
[ "$(sql sequential.db "select count(*) from trial where cell = 1")" -lt 9 ] || fail "the first of sequential cells waits for the others"
expect 0 "$s" run base.ini --db narrow.db --set experiment.repetitions=6..8 --set experiment.precision=0.001%
[ "$(sql narrow.db "select count(*) from trial where status = 'ok'")" = 48 ] || fail "±0.001 % did not use up 8 repetitions"
has out "6 cells used up 8 repetitions without coming within ±0.001 %"
has out "not reached in 8"
expect 0 "$s" export narrow.db
cp out narrow.csv
# Large differences alone: what a busy machine does to a rate is less.
for _ in 1 2 3 4 5; do
  rm -f decided.db
  expect 0 "$s" run base.ini --db decided.db --set experiment.repetitions=5..40 --set experiment.decide=50% --set experiment.baseline=slub --set matrix.allocator=slub,null --set matrix.workload=fifo
  expect 0 "$s" compare decided.db --baseline slub
  ! grep -q "not separated" out || continue
  break
done
grep -qE "^  null .* faster$" out || { fail "null is not said to be faster than slub"; cat out; }
[ "$(sql decided.db "select max(repetition) from trial")" -lt 40 ] || fail "what was decided went on to the end"
has out "signs within blocks, valid at any time"
expect 0 "$s" run base.ini --db one.db --set experiment.repetitions=1 --set matrix.allocator=slub
has out "one run"
expect 0 "$s" run base.ini --db five.db --set experiment.repetitions=5 --set matrix.allocator=slub
has out "smallest to largest (93.75 % of confidence: 5 processes are too few for 95 %)"

echo "== order and layouts come from the seed, each process has its own"
order() { sql "$1" "select group_concat(cell || ':' || layout, ' ') from (select * from trial where repetition <= 6 order by number)"; }
expect 0 "$s" run base.ini --db again.db --set experiment.repetitions=6..9 --set experiment.precision=50%
[ "$(order wide.db)" = "$(order again.db)" ] || fail "the same seed gave another order or other layouts"
expect 0 "$s" run base.ini --db seed.db --set experiment.seed=2 --set experiment.repetitions=6
[ "$(order seed.db)" != "$(order again.db)" ] || fail "another seed gave the same order"
[ "$(sql wide.db "select count(distinct layout) from trial")" = "$(sql wide.db "select count(*) from trial")" ] || fail "two processes share a layout"
[ "$(sql wide.db "select count(*) from (select count(distinct cell) as n from trial where repetition <= 6 group by repetition having n != 6)")" = 0 ] || fail "a block lacks a cell"
"$s" plan base.ini --trial 3 > trial.ini
grep -q "^layout = $(sql seed.db "select layout from trial where number = 3")$" trial.ini && fail "the layout doesn't depend on the seed"
expect 0 "$s" plan base.ini --set experiment.layout=fixed --trial 3
has out "layout = 0"
# The same trial has its memory at the same place, whatever the environment; another layout has it elsewhere.
addresses() { grep -o 'item at 0x[0-9a-f]*' "$1" | sort | head -5; }
grep -v '^duration' base.ini > fixed.ini
"$s" plan fixed.ini --set matrix.allocator=slub --set matrix.workload=scullp --set experiment.operations=100 --set experiment.steady=off --set experiment.warmup=0ms --trial 1 | sed 's/^dump = no/dump = yes/' > one.ini
if [ "$sanitized" = 0 ]; then
  expect 0 "$build/scullbench-trial" < one.ini
  addresses out > here
  expect 0 env FOO="$(head -c 1000 /dev/zero | tr '\0' x)" "$build/scullbench-trial" < one.ini
  addresses out > there
  [ -s here ] || fail "no addresses in the dump"
  if ! grep -q "randomisation could not be switched off" out; then
    cmp -s here there || fail "the same trial lies elsewhere the second time: $(cat here there)"
    sed 's/^layout = .*/layout = 12345/' one.ini > other.ini
    expect 0 "$build/scullbench-trial" < other.ini
    addresses out > there
    cmp -s here there && fail "another layout lies at the same place"
  fi
fi

echo "== a trial says whether it was steady, and what ran beside it"
expect 0 "$s" export narrow.db
for name in steady warmup_variation others_cpu steal involuntary_switches page_faults user_time system_time clock_resolution footprint_end; do
  head -1 narrow.csv | grep -q ",$name" || fail "no metric $name"
done
expect 0 "$s" run base.ini --db unsteady.db --set experiment.repetitions=1 --set experiment.steady=0.001% --set matrix.workload=fifo
has err "before their rate was steady in 3 of 3 trials"
[ "$(sql unsteady.db "select group_concat(distinct value) from metric where name = 'steady'")" = 0.0 ] || fail "steady isn't 0"
[ "$(sql unsteady.db "select count(*) from warning where trial is null")" -ge 1 ] || fail "the run's warning isn't stored"

echo "== intervals too short for the clock are refused, with advice"
expect 0 "$s" run base.ini --db short.db --set experiment.repetitions=1 --set fifo.batch=1 --set matrix.workload=fifo --set matrix.allocator=slub
expect 0 "$s" compare short.db short.db --metric alloc_ns
has out "raise the workload's batch"

echo "== single calls go into a histogram: sampled, all, or none"
expect 0 "$s" run base.ini --db all.db --set experiment.repetitions=2 --set experiment.latency=all --set matrix.workload=fifo --set matrix.allocator=slub
allocs=$(sql all.db "select sum(value) from metric where name = 'allocs'")
[ "$(sql all.db "select sum(n) * 1.0 from histogram where name = 'alloc'")" = "$allocs" ] || fail "latency = all timed other than all $allocs allocations"
sql all.db "select distinct reason from unavailable where name = 'alloc_ns'" > reason
has reason "timed one by one"
expect 0 "$s" run base.ini --db off.db --set experiment.repetitions=1 --set experiment.latency=off --set matrix.workload=fifo
[ "$(sql off.db "select count(*) from histogram")" = 0 ] || fail "latency = off timed calls"
expect 0 "$s" run base.ini --db sampled.db --set experiment.repetitions=1 --set experiment.latency_period=4 --set matrix.workload=fifo,scullp --set matrix.allocator=slub
for workload in fifo scullp; do
  share=$(sql sampled.db "select 100 * (select sum(n) from histogram h where h.trial = t.number and h.name = 'alloc') / (select value from metric m where m.trial = t.number and m.name = 'allocs') from trial t join cell c on c.id = t.cell where c.workload = '$workload'")
  [ "${share%.*}" -gt 5 ] && [ "${share%.*}" -lt 70 ] || fail "$workload: one batch in 4 should be timed singly, it was $share %"
done
expect 0 "$s" export all.db --what histograms
head -1 out | grep -q '^trial,cell,call,ns,count,what$' || fail "header of exported histograms"
[ "$(awk -F, '$3 == "alloc" { n += $5 } END { print n ".0" }' out)" = "$allocs" ] || fail "exported histograms lack calls"
expect 0 "$s" export wide.db --what series
for name in unusable_free_space fragmentation_index largest_free_block held_bytes; do
  grep -q ",$name," out || fail "no series $name"
done
expect 2 "$s" export wide.db --what hystograms
has err "did you mean 'histograms'"

echo "== paced calls count from when they were due"
expect 0 "$s" run base.ini --db paced.db --set experiment.repetitions=1 --set experiment.rate=2000/s --set experiment.duration=100ms --set matrix.workload=fifo --set matrix.allocator=slub
n=$(sql paced.db "select n from histogram where name = 'response'")
has out "response in ns from when calls were due"
[ "$n" -ge 150 ] && [ "$n" -le 201 ] || fail "2000/s for 100 ms made $n calls"
[ "$(sql paced.db "select what from histogram where name = 'response'")" = "response time from when a call was due" ] || fail "responses aren't called that"
expect 0 "$s" run base.ini --db late.db --set experiment.repetitions=1 --set experiment.rate=1000000000/s --set matrix.workload=fifo --set matrix.allocator=slub
has out "max not served"
[ "$(sql late.db "select value > 0 from metric where name = 'backlog'")" = 1 ] || fail "a billion calls a second left no backlog"
[ "$(sql late.db "select count(*) from metric where name = 'ops_per_s'")" = 0 ] || fail "paced calls have a rate of their own"
sql late.db "select text from warning" > warnings
has warnings "lower the rate"

echo "== groups of events, and what becomes of them"
expect 0 "$s" run base.ini --db events.db --set experiment.repetitions=1 --set 'pmu.events={perf::PAGE-FAULTS, perf::CPU-CLOCK}, perf::CYCLES' --set matrix.workload=scullp --set matrix.allocator=malloc
if sql events.db "select reason from unavailable where name = 'perf::PAGE-FAULTS'" | grep -q .; then
  echo "skipped: $(sql events.db "select reason from unavailable where name = 'perf::PAGE-FAULTS'")"
else
  [ "$(sql events.db "select count(*) from metric where name in ('perf::PAGE-FAULTS', 'perf::PAGE-FAULTS:running', 'perf::PAGE-FAULTS/op', 'perf::CPU-CLOCK')")" = 4 ] || fail "metrics of events"
fi
expect 0 "$s" run base.ini --db none.db --set experiment.repetitions=1 --set pmu.provider=none --set matrix.allocator=slub
[ "$(sql none.db "select count(*) from metric where name like 'perf::%'")" = 0 ] || fail "provider = none counted"

echo "== perf stat sees the same faults"
if command -v perf > /dev/null && perf stat -x, -e page-faults true 2>&1 | grep -q '^[0-9].*page-faults' && [ "$sanitized" = 0 ]; then
  # Twice the operations: what the second half adds is of the measured phase alone, for perf and for us.
  for n in 20000 40000; do
    "$s" plan fixed.ini --set experiment.operations=$n --set experiment.steady=off --set experiment.warmup=0ms --set experiment.latency=off --set pmu.events=perf::PAGE-FAULTS --set matrix.allocator=malloc --set matrix.workload=scullp --trial 1 > perf.ini
    perf stat -x, -e page-faults -o perf.$n "$build/scullbench-trial" < perf.ini > ours.$n 2> err || fail "perf stat: $(cat err)"
  done
  theirs=$(($(grep page-faults perf.40000 | cut -d, -f1) - $(grep page-faults perf.20000 | cut -d, -f1)))
  faults() { grep '"metric":"perf::PAGE-FAULTS",' "$1" | grep -oE '"value":[0-9]+' | cut -d: -f2; }
  ours=$(($(faults ours.40000) - $(faults ours.20000)))
  echo "perf stat: $theirs more faults for 20000 more operations, ours: $ours"
  [ "$ours" -gt 1000 ] || fail "the workload has too few faults to tell"
  off=$((ours - theirs))
  [ $((off < 0 ? -off : off)) -le $((theirs / 100)) ] || fail "we count $ours faults where perf stat counts $theirs"
else
  echo "skipped: no perf that counts page faults"
fi

echo "== valgrind counts the same twice, and cold caches miss"
if command -v valgrind > /dev/null && [ "$sanitized" = 0 ]; then
  cat > caches.ini <<'INI'
[experiment]
repetitions = 1
duration = 10ms
survey = 0
time_limit = 120s
[machine]
memory = 128MiB
[pmu]
provider = cachegrind
[workload hot]
plugin = objects
pattern = fifo
size = 4096B
count = 2
touch = full
[workload cold]
plugin = objects
pattern = fifo
size = 4096B
count = 16384
touch = full
[matrix]
allocator = slub
workload = hot, cold
threads = 1
INI
  expect 0 "$s" run caches.ini --db caches1.db
  expect 0 "$s" run caches.ini --db caches2.db
  counts() { sql "$1" "select c.label, m.name, m.value from metric m join trial t on t.number = m.trial join cell c on c.id = t.cell where m.name like 'simulated:%' order by 1, 2"; }
  [ "$(counts caches1.db | wc -l)" -ge 20 ] || fail "counts are missing: $(counts caches1.db)"
  diff <(counts caches1.db) <(counts caches2.db) || fail "two runs under valgrind differ"
  simulated() { sql caches1.db "select cast(m.value as integer) from metric m join trial t on t.number = m.trial join cell c on c.id = t.cell where c.workload = '$1' and m.name = 'simulated:$2'"; }
  # 64 lines an object: all hits where two of them fit. Of 64 MiB the first level keeps nothing, and a last level of half
  # as much at most half, since slub gives what was freed last first.
  [ "$(simulated hot L1d-misses/op)" -lt 2 ] || fail "hot: $(simulated hot L1d-misses/op) misses of the first level an operation"
  [ "$(simulated cold L1d-misses/op)" -ge 64 ] || fail "cold: $(simulated cold L1d-misses/op) misses of the first level an operation"
  if [ "$(simulated cold last-level-size)" -le $((32 << 20)) ]; then
    [ "$(simulated cold last-level-misses/op)" -ge 30 ] || fail "cold: $(simulated cold last-level-misses/op) misses of the last level an operation"
  fi
  [ "$(simulated hot last-level-misses/op)" -lt 1 ] || fail "hot: misses of the last level"
  # Counted once: no gate by statistics, and advice that helps.
  expect 2 "$s" compare caches1.db caches1.db --metric simulated:instructions/op --fail-if-slower 1%
  has err "is counted once and exactly, so there is no p; gate on the ratio that --format json prints"
  expect 0 "$s" export caches1.db
  [ "$(column simulated out | grep -c yes)" = 2 ] || fail "simulated trials aren't marked"
  expect 0 "$s" plan caches.ini --set pmu.provider=auto
  has out "simulated under valgrind: 2 trials"
  if command -v gnuplot > /dev/null; then
    expect 0 "$s" report caches1.db --out rc
    has rc/index.html "simulated:instructions/op"
  fi
else
  echo "skipped: no valgrind, or a build with sanitizers"
fi

echo "== comparisons say what is known, and refuse what can't be compared"
expect 2 "$s" compare wide.db
has err "compare needs --baseline"
expect 2 "$s" compare wide.db --baseline slbu
has err "did you mean 'slub'"
expect 2 "$s" compare wide.db --baseline slub --metric throughptu
has err "did you mean 'throughput'"
expect 2 "$s" compare wide.db --baseline slub --fail-if-slower 3
has err "lacks its unit"
expect 0 "$s" compare wide.db --baseline slub
has out "corrected for 4 comparisons (Holm)"
has out "noise floor: not known"
expect 0 "$s" compare wide.db wide.db
[ "$(grep -cE "^  .*not resolved" out)" = 6 ] || fail "a run differs from itself"
[ "$(grep -cE "^  .* - +- +not resolved" out)" = 6 ] || fail "what isn't resolved has a ratio or p"
expect 0 "$s" run base.ini --db few.db --set experiment.repetitions=3
expect 0 "$s" compare few.db --baseline slub
has out "NOTHING CAN BE SEPARATED HERE"
expect 2 "$s" compare few.db --baseline slub --fail-if-slower 3%
has err "with so few processes nothing can be found slower"
expect 2 "$s" compare wide.db --baseline slub --metric allocs --fail-if-slower 3%
has err "neither more nor less is better"
cp wide.db less.db
sqlite3 less.db "delete from trial where cell in (select id from cell where allocator = 'buddy' and workload = 'fifo'); delete from cell where allocator = 'buddy' and workload = 'fifo'"
expect 4 "$s" compare wide.db less.db --fail-if-slower 3%
has out "buddy / fifo / 1 thread: the second run has no such cell"
cp wide.db moved.db
sqlite3 moved.db "update fact set value = 'Linux 2.6.24' where name = 'kernel'"
expect 2 "$s" compare wide.db moved.db
has err "kernel: "
expect 0 "$s" compare wide.db moved.db --anyway
has out "COMPARED ANYWAY"
cp wide.db settings.db
# A key that an older version did not have is said, and refuses nothing.
sqlite3 settings.db "update cell set settings = replace(settings, 'memory_reuse = yes
', '')"
expect 0 "$s" compare wide.db settings.db
grep -q "keys that only one of the runs has.*machine.memory_reuse = yes" out || fail "a key of one run alone isn't told: $(cat out)"
cp wide.db settings.db
sqlite3 settings.db "update cell set settings = replace(settings, 'count = 1000', 'count = 2000')"
expect 2 "$s" compare wide.db settings.db
has err "count is '1000' and '2000'"
cp wide.db built.db
sqlite3 built.db "update plugin set build_id = 'ffffffffffffffffffff' where name = 'slub'"
expect 0 "$s" compare wide.db built.db
has out "slub was built anew"
# A hundredth of the rate in every process: what a regression looks like.
cp wide.db slow.db
sqlite3 slow.db "update metric set value = value * 0.01 where name = 'ops_per_s' and trial in (select number from trial where cell in (select id from cell where allocator = 'slub'))"
expect 4 "$s" compare wide.db slow.db --fail-if-slower 3%
has err "2 comparisons are slower by more than 3%"
expect 0 "$s" compare slow.db wide.db --fail-if-slower 3%
[ "$(grep -c ' faster' out)" = 2 ] || fail "a hundredfold gain isn't faster"
expect 4 "$s" compare slow.db --baseline buddy --fail-if-slower 3% --format json
has out '"verdict": "slower"'
cp wide.db lost.db
sqlite3 lost.db "update trial set status = 'crashed', reason = 'ended by a signal' where cell in (select id from cell where allocator = 'slub' and workload = 'fifo')"
expect 4 "$s" compare wide.db lost.db --fail-if-slower 50%
has out "not compared: slub has no number: ended by a signal"
cp one.db other.db
sqlite3 other.db "update metric set value = value * 1.1 where name = 'ops_per_s'"
expect 0 "$s" compare one.db other.db
has out "one run"

echo "== the same twice: the noise floor"
expect 0 "$s" aa base.ini --db aa.db --set matrix.allocator=slub,buddy
has out "noise floor: of 4 A/A comparisons"
has out "slub (again)"
expect 0 "$s" aa base.ini --db variants.db --set matrix.allocator=slub --set matrix.slub.percpu=yes,no --set experiment.repetitions=2
has out "slub (again) (percpu=no) slub (percpu=no)"
rm variants.db
cat > pair.ini <<'INI'
[experiment]
repetitions = 1
duration = 10ms
[machine]
memory = 32MiB
[workload pair]
plugin = objects
pattern = pair
[matrix]
allocator = slub
workload = pair
INI
expect 0 "$s" run pair.ini --db pair.db
[ "$(sql pair.db "select count(distinct value) from metric where name in ('operations', 'allocs', 'frees')")" = 1 ] || fail "a pair is not an allocation and a free"
sql pair.db "select reason from unavailable where name = 'alloc_ns'" > out
has out "doesn't time these calls apart"
expect 0 "$s" run base.ini --db skips.db --set matrix.allocator=null,slub,percpu
# null costs nothing: what isn't slower than slub, and what the plan skips, is no regression.
expect 0 "$s" compare skips.db --baseline slub --fail-if-slower 5%
has out "percpu has no number"
expect 0 "$s" compare wide.db --baseline slub
has out "noise floor: of 4 A/A comparisons"
expect 0 "$s" compare wide.db --baseline slub --aa aa.db
expect 2 "$s" compare wide.db --baseline slub --aa one.db
has err "is not the database of an A/A run"

echo "== a machine with warnings is not measured on with --strict"
"$s" run base.ini --strict --db strict.db --set experiment.repetitions=1 --set matrix.allocator=slub > out 2> err
case $? in
  0) grep -q "nothing is measured" err && fail "--strict measured all the same" ;;
  1) has err "--strict: nothing is measured while the machine has"; [ -e strict.db ] && fail "--strict left a database" ;;
  *) fail "--strict: $(cat err)" ;;
esac
conclude
