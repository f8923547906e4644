#!/usr/bin/env bash
# Real runs, end to end, as a user does them: run, table, export, report, reproduce, interrupt, misbehaving plugins.
# usage: e2e.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
# Sanitizers would catch the crash that a test plugin is there to make.
export ASAN_OPTIONS=handle_segv=0 TSAN_OPTIONS=handle_segv=0
# Trials run in the folder of their run; a moment for the kernel to deliver the parent's death.
# A signal takes its time on a machine that is busy.
no_trial_left() {
  local p left
  for _ in $(seq 100); do
    left=
    for p in $(pgrep -x scullbench-tria); do
      [ "$(readlink "/proc/$p/cwd")" = "$dir" ] && left="$left $p"
    done
    [ -n "$left" ] || return
    sleep 0.1
  done
  fail "trials outlived their run:$left"
}
# until_trials DB N PID: until the run has stored N trials, or has ended
until_trials() {
  for _ in $(seq 1200); do
    [ "$(sqlite3 -readonly "$1" "select count(*) from trial" 2> /dev/null || echo 0)" -ge "$2" ] && return
    kill -0 "$3" 2> /dev/null || break
    sleep 0.1
  done
  fail "$1 has no $2 trials"
}

# The head of a config whose trials are over at once.
short_run() {
  printf '%s\n' '[experiment]' 'repetitions = 1' 'duration = 5ms' 'warmup = 0ms' \
    '[machine]' 'memory = 32MiB' '[pmu]' 'provider = none'
}

cat > small.ini <<'INI'
[experiment]
repetitions = 2
duration = 20ms
warmup = 1ms
warmup_limit = 20ms
survey = 1
survey_points = 8
time_limit = 20s
[machine]
memory = 32MiB
[allocator slub-shared]
plugin = slub
percpu = no
[allocator slub-sheaves]
plugin = slub
sheaf = 60
[allocator slab]
nodes = 2
[allocator mempool-percpu]
plugin = mempool
cache = 32
[allocator vmalloc]
highmem = 8MiB
[workload scullc]
device_size = 256KiB
batch = 32
[workload scullc-file]
plugin = scullc
source = file:/bin/sh
device_size = 256KiB
batch = 32
[workload scullp]
device_size = 256KiB
[workload scullv]
device_size = 256KiB
[matrix]
allocator = null, buddy, slub, slub-shared, slub-sheaves, slab, slob, kmalloc, vmalloc, mempool, mempool-percpu, bootmem, malloc, bump, percpu
workload = scullc, scullc-file, scullp, scullv
scullc.quantum = 1000B, 4000B
INI

# With sanitizers a check takes a quarter of a minute, and check.sh makes them all.
unchecked=()
[ "$sanitized" = 0 ] || unchecked=(--no-check)

echo "== every config that is shipped can be planned"
for config in "$tests"/../configs/*.ini; do
  "$s" plan "$config" > out 2> err
  case $? in
    0) ;;
    3) # Of what it would open only libraries may be missing that this machine hasn't got.
      sed -n '/^will fail:/,/^$/p' out | grep -E '^ +[^ ]+: ' | grep -v 'cannot open shared object' && fail "$config: see above" ;;
    *) fail "$config can't be planned"; cat err ;;
  esac
done
# Sanitizers put a malloc of their own in the process, which these libraries were not made to stand beside.
if [ "$sanitized" = 0 ] && [ "$(ldconfig -p | grep -cE 'lib(jemalloc.so.2|mimalloc.so.2|tcmalloc_minimal.so.4|tbbmalloc.so.2) ')" -ge 4 ]; then
  expect 0 "$s" run "$tests/../configs/mallocs.ini" --db mallocs.db --set experiment.repetitions=1 --set experiment.duration=5ms \
    --set experiment.warmup=0ms --set experiment.steady=off --set experiment.survey=1 --set pmu.provider=none --set matrix.threads=1
  [ "$("$s" export mallocs.db | awk -F, 'NR > 1 { print $2 }' | sort -u | wc -l)" = 10 ] || fail "not every allocator of mallocs.ini was measured"
fi

echo "== the plan's cells are the run's cells"
expect 0 "$s" plan small.ini
# bump can't reuse memory before all is free, so long streams may exhaust it; all else must be ok.
expect 0 "$s" run small.ini "${unchecked[@]}" --db a.db --dump --set matrix.exclude=bump/*
has out "of null"
has out "scullbench report a.db"
expect 0 "$s" plan small.ini --set matrix.exclude=bump/*
planned=$(grep -oE '[0-9]+ trials' out | grep -oE '[0-9]+')
grep -E '^ +[0-9]+  ' out | sed -e 's/^ *[0-9]*  //' -e 's/  (through.*//' -e 's/: .*//' | sort > cells
sqlite3 a.db "select label from cell" | sort > run-cells
diff cells run-cells || fail "the plan prints other cells than the run has"
for name in cpu_model caches memory distribution compiler; do
  [ "$(sqlite3 a.db "select count(*) from fact where name = '$name'")" = 1 ] || fail "the run doesn't record the machine's $name"
done
[ "$(sqlite3 a.db "select value from meta where name = 'allocator.slub-sheaves.models'")" = "$("$s" describe slub | sed -n 's/^models: //p')" ] || fail "the run doesn't record what slub-sheaves models"
expect 0 "$s" export a.db
cp out a.csv
[ "$(tail -n +2 a.csv | wc -l)" = "$planned" ] || fail "the plan has $planned trials, the run another number"
[ "$(column status a.csv | sort -u)" = ok ] || fail "not all trials are ok"
head -1 a.csv | grep -q '^trial,allocator,workload,threads,repetition,status,simulated,retry,memory_file,reason,scullc.quantum,' || fail "CSV header"
for name in ops_per_s alloc_ns free_ns bytes_per_s footprint kept_bytes; do
  head -1 a.csv | grep -q ",$name" || fail "no column $name"
done
column ops_per_s a.csv | grep -qvE '^[0-9.]+e?[+0-9]*$' && fail "a rate is not a number"
expect 0 "$s" export a.db --format json
[ "$(grep -c '"trial":' out)" = "$planned" ] || fail "JSON rows"

# What follows is of one thread or of what others test with several: the thread sanitizer has seen every allocator with
# every workload now.
[ "$racing" = 0 ] || conclude

echo "== an existing database is never overwritten"
before=$(cksum a.db)
expect 2 "$s" run small.ini "${unchecked[@]}" --db a.db
has err "exists"
[ "$before" = "$(cksum a.db)" ] || fail "the database changed"

echo "== the report is whole, opens alone, and is the same again"
if command -v gnuplot > /dev/null; then
  expect 0 "$s" report a.db --out r1
  expect 0 "$s" report a.db --out r2
  diff -r r1 r2 > difference || { fail "two reports of one database differ"; cat difference; }
  for f in bars-scullp-1-thread bars-scullc-scullc-quantum-4000b-1-thread series-external-scullc-scullc-quantum-1000b-1-thread \
    series-internal-scullc-file-1-thread series-footprint-scullv-1-thread orders-scullp-1-thread; do
    [ -s "r1/figures/$f.svg" ] || fail "no figure $f"
  done
  for svg in r1/figures/*.svg; do
    base=${svg%.svg}
    for e in svg pdf png gp tsv; do
      [ -s "$base.$e" ] || fail "$base.$e is missing or empty"
    done
  done
  grep -qE '(src|href)="?http' r1/index.html && fail "the page needs the network"
  grep -q 'contents can&#39;t be verified\|contents can.t be verified' r1/index.html || fail "the page doesn't say why null was skipped"
  (cd r1/figures && cp bars-scullp-1-thread.gp again.gp && sed -i 's/bars-scullp-1-thread\.\(svg\|pdf\|png\)/again.\1/' again.gp &&
    gnuplot -d again.gp && cmp bars-scullp-1-thread.svg again.svg) || fail "a figure's script doesn't run alone"
else
  echo "skipped: no gnuplot"
fi

echo "== pages lie where LDD3 says: buddy's as in memory, vmalloc's one after the other wherever memory was free"
expect 0 "$s" export a.db --what series
grep -E '_page,' out > pages.csv
# page ALLOCATOR SERIES: the numbers of scullv's pages, one a line
page() { awk -F, -v c="$1 / scullv / 1 thread" -v s="$2" '$2 == c && $3 == s { printf "%.0f\n", $6 }' pages.csv; }
[ "$(page buddy virtual_page | wc -l)" -ge 64 ] || fail "no addresses of buddy's pages"
[ "$(paste <(page buddy virtual_page) <(page buddy physical_page) | awk '{ print $1 - $2 }' | sort -u | wc -l)" = 1 ] ||
  fail "buddy's pages lie elsewhere in memory than their addresses say"
[ "$(page vmalloc virtual_page | awk 'NR % 16 != 1 && $1 != before + 1 { bad++ } { before = $1 } END { print bad + 0 }')" = 0 ] ||
  fail "vmalloc's areas are not contiguous"
[ "$(page malloc virtual_page | wc -l)" -ge 64 ] && [ "$(page malloc physical_page | wc -l)" = 0 ] || fail "the OS's memory has physical addresses"
[ "$(cut -d, -f1 pages.csv | sort -u | wc -l)" -le "$(sqlite3 a.db "select count(*) from cell where skip is null")" ] || fail "more than one process a cell keeps its addresses"

echo "== one printed trial reproduces alone"
grep -v "^duration" small.ini > fixed.ini
"$s" plan fixed.ini --set experiment.operations=2000 --set experiment.warmup=0ms --set experiment.steady=off --set matrix.allocator=slub --trial 5 > trial.ini || fail "plan --trial"
expect 0 "$build/scullbench-trial" < trial.ini
cp out first
expect 0 "$build/scullbench-trial" < trial.ini
has out '{"status":"ok"}'
deterministic() { grep -E '"metric":"(operations|allocs|frees|writes|reads|copies|requested_peak|footprint)"' "$1"; }
diff <(deterministic first) <(deterministic out) || fail "the same trial did something else"
[ "$(deterministic out | wc -l)" -ge 7 ] || fail "a trial lacks metrics"

echo "== a dump reads as /proc and as LDD3's scullmem"
sqlite3 a.db "select '## ' || name || char(10) || text from dump" > dumps
has dumps "Node 0, zone      DMA"
has dumps "slabinfo - version: 2.1"
has dumps "pages free"
has dumps "type    Unmovable"
has dumps "Device 0: qset 1000, order 4, sz 262144"
has dumps "item at 0x"
grep -qE '^0x[0-9a-f]+-0x[0-9a-f]+ +69632 sb_vmalloc pages=16 vmalloc$' dumps || fail "no vmallocinfo line of 16 pages"

echo "== blocks from another node are counted where there is one, and not available elsewhere"
{ short_run; cat; } > nodes.ini <<'INI'
[allocator two]
plugin = buddy
nodes = 2
[allocator one]
plugin = buddy
nodes = 1
[workload local]
plugin = scullp
device_size = 1MiB
[workload overflow]         ; 20 of 32 MiB: more than a node has; by two threads more than there is
plugin = scullp
device_size = 5MiB
[matrix]
allocator = one, two
workload = local, overflow
threads = 1, 2
[plot remote]
kind = bars
metric = remote_blocks
x = allocator
series = threads
where = workload=overflow
INI
expect 0 "$s" run nodes.ini "${unchecked[@]}" --db nodes.db
remote() { sqlite3 nodes.db "select allocator, workload, threads, case when value = 0 then 'none' when value between 10 and 50 then 'some' else value end from metric join trial on trial = number join cell on cell.id = cell where name = 'remote_blocks' order by 1, 2, 3"; }
[ "$(remote)" = "two|local|1|none
two|local|2|none
two|overflow|1|some" ] || fail "remote_blocks: $(remote)"
[ "$(sqlite3 nodes.db "select distinct reason from unavailable where name = 'remote_blocks'")" = "the allocator has one NUMA node, or doesn't say" ] || fail "one node has remote blocks"
# Of nodes that the machine hasn't got a remote block is twice as far.
[ "$(sqlite3 nodes.db "select count(*), sum(abs(d.value - (1 + r.value / 100)) < 1e-9) from metric d join metric r using (trial) where d.name = 'block_distance' and r.name = 'remote_blocks'")" = "3|3" ] || fail "block_distance: $(sqlite3 nodes.db "select value from metric where name = 'block_distance'")"
if command -v gnuplot > /dev/null; then
  expect 0 "$s" report nodes.db --out nodes
  # Two threads have no number, so their bars have no room beside one thread's.
  grep -qP '^0\.0000\t' nodes/figures/bars-remote-overflow.tsv || fail "a bar stands beside its place: $(cat nodes/figures/bars-remote-overflow.tsv)"
fi

echo "== counting in per-CPU variables, in every way: the workload proves the sum"
{ short_run; cat; } > counters.ini <<'INI'
[allocator percpu-lock]
plugin = percpu
cpu_sync = lock
[workload counters]
fold = 3
[matrix]
allocator = percpu, percpu-lock, slub
workload = counters
counters.way = shared, array, padded, get_cpu, this_cpu, static, percpu_counter
threads = 2
INI
expect 0 "$s" run counters.ini "${unchecked[@]}" --db counters.db
[ "$(sqlite3 counters.db "select count(*) from trial where status = 'ok'")" = 14 ] || fail "counters: $(sqlite3 counters.db "select status, reason from trial where status <> 'ok' limit 3")"
[ "$(sqlite3 counters.db "select distinct skip from cell where allocator = 'slub'")" = "slub offers only cache, bulk; the workload needs percpu" ] || fail "counters on slub: $(sqlite3 counters.db "select distinct skip from cell")"
echo "== a device's registers, by every accessor: the workload proves what was read and written"
{ short_run; cat; } > device.ini <<'INI'
[allocator vmalloc]
device = 4KiB
[matrix]
allocator = vmalloc
workload = mmio
threads = 2
INI
expect 3 "$s" run device.ini "${unchecked[@]}" --db device.db
has err "2 windows of 4096 bytes are not in a device of 4096: see the option \`device\` of vmalloc"
{ short_run; cat; } > mmio.ini <<'INI'
[matrix]
allocator = vmalloc, slub
workload = mmio
mmio.accessor = readb, readw, readl, readq, ioread8, ioread16, ioread32, ioread64, ioread8_rep, ioread16_rep, ioread32_rep, ioread64_rep, writeb, writew, writel, writeq, iowrite8, iowrite16, iowrite32, iowrite64, iowrite8_rep, iowrite16_rep, iowrite32_rep, iowrite64_rep
mmio.remap = 100
threads = 2
INI
expect 0 "$s" run mmio.ini "${unchecked[@]}" --db mmio.db
[ "$(sqlite3 mmio.db "select allocator, status, count(*) from trial join cell on cell.id = cell group by 1, 2")" = "vmalloc|ok|24" ] || fail "mmio: $(sqlite3 mmio.db "select allocator, status, reason from trial join cell on cell.id = cell group by 1, 2")"
[ "$(sqlite3 mmio.db "select distinct skip from cell where allocator = 'slub'")" = "slub offers only cache, bulk; the workload needs io" ] || fail "mmio on slub"

echo "== the chapter's other calls: pages by kmap, boot memory, pools, destructors, a device in a user's mapping"
{ short_run; cat; } > calls.ini <<'INI'
[allocator high]
plugin = buddy
highmem = 8MiB
[workload pages]
count = 300
[workload boot]
count = 20
[workload pool]
min_nr = 10
supply = 100
count = 100
resize = 25
batch = 30
[workload methods]
plugin = objects
pattern = random
dtor = yes
[workload scullp]
mmap = yes
source = random
device_size = 100000B
scullp_qset = 7
[matrix]
allocator = high, bootmem, mempool, slab
workload = pages, boot, pool, methods, scullp
boot.call = alloc_bootmem, alloc_bootmem_low
pages.free = pages, cold
threads = 2
INI
expect 0 "$s" run calls.ini "${unchecked[@]}" --db calls.db
[ "$(sqlite3 calls.db "select allocator, workload, status, count(*) from trial join cell on cell.id = cell group by 1, 2, 3" | tr '\n' ' ')" = "bootmem|boot|ok|2 bootmem|pages|ok|2 bootmem|scullp|ok|1 high|pages|ok|2 high|scullp|ok|1 mempool|pool|ok|1 slab|methods|ok|1 " ] ||
  fail "calls: $(sqlite3 calls.db "select allocator, workload, status, reason from trial join cell on cell.id = cell")"
# With all elements live the reserve has served its part: 10 of 100, or 25.
read -r function reserve < <(sqlite3 -separator ' ' calls.db "select max(value) filter (where name = 'from_function'), max(value) filter (where name = 'from_reserve') from metric")
awk -v f="$function" -v r="$reserve" 'BEGIN { exit !(r / (f + r) > 0.1 && r / (f + r) < 0.25) }' || fail "of $function + $reserve elements the reserve's share is wrong"
# All pages that could be of HighMem are.
[ "$(sqlite3 calls.db "select count(*) from metric join trial on number = trial join cell on cell.id = cell where name = 'high_pages' and (value > 0) = (allocator = 'high')")" = 4 ] || fail "pages of HighMem: $(sqlite3 calls.db "select allocator, value from metric join trial on number = trial join cell on cell.id = cell where name = 'high_pages'")"

echo "== objects of caches with flags and a constructor: only allocators with caches serve"
{ short_run; cat; } > own.ini <<'INI'
[workload objects]
count = 500
size = 200B
[matrix]
allocator = slub, slab, slob, mempool, malloc
workload = objects
objects.slab = SLAB_CACHE_DMA, SLAB_POISON
objects.ctor = yes
objects.pattern = random
threads = 2
INI
# pages_free FLAG: pages of the DMA zone that are free while 10000 objects of such a cache live.
pages_free() { "$s" dump slab --workload objects --workload-option "slab=$1" --workload-option pattern=fifo --file zoneinfo | awk '/zone +DMA$/ { dma = 1 } dma && /pages free/ { print $3; exit }'; }
[ "$(pages_free SLAB_CACHE_DMA)" -lt "$(pages_free none)" ] || fail "SLAB_CACHE_DMA takes no DMA pages: $(pages_free SLAB_CACHE_DMA) of $(pages_free none) are free"
expect 0 "$s" run own.ini "${unchecked[@]}" --db own.db
[ "$(sqlite3 own.db "select count(*) from trial where status = 'ok'")" = 8 ] || fail "own caches: $(sqlite3 own.db "select allocator, status, reason from trial join cell on cell.id = cell where status <> 'ok'")"
[ "$(sqlite3 own.db "select distinct skip from cell where allocator = 'malloc'")" = "malloc offers only sized; the workload needs cache" ] || fail "own caches of malloc"

echo "== under pressure a NULL is a result, and only endless memory is skipped"
cat > pressure.ini <<'INI'
[experiment]
repetitions = 2
operations = 3000
warmup = 0ms
survey = 0
[machine]
memory = 16MiB
[workload atomic]
plugin = pressure
gfp = GFP_ATOMIC
[workload nowait]
plugin = pressure
gfp = GFP_NOWAIT
[matrix]
allocator = null, malloc, buddy, slub, kmalloc, vmalloc, bootmem
workload = atomic, nowait
threads = 1
INI
expect 0 "$s" run pressure.ini "${unchecked[@]}" --db pressure.db
has out "success %"
expect 0 "$s" export pressure.db
cp out pressure.csv
[ "$(column status pressure.csv | sort -u)" = ok ] || fail "pressure: not all trials are ok"
[ "$(awk -F, '$2 == "null" || $2 == "malloc"' pressure.csv | wc -l)" = 0 ] || fail "pressure ran on memory without an end"
success() { awk -F, -v a="$1" -v w="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "success") c = i } $2 == a && $3 == w { print int($c); exit }' pressure.csv; }
[ "$(success buddy atomic)" -gt "$(success buddy nowait)" ] || fail "ATOMIC has no use of the reserve: $(success buddy atomic) %, NOWAIT $(success buddy nowait) %"
[ "$(success buddy atomic)" -lt 100 ] || fail "there was no pressure"
if command -v gnuplot > /dev/null; then
  expect 0 "$s" report pressure.db --out rp
  [ -s rp/figures/bars-success-atomic-1-thread.svg ] || fail "no figure bars-success-atomic-1-thread"
  has rp/index.html "succeeded (%)"
fi

echo "== a malloc library is loaded beside the process's own, or says what is missing"
cat > libraries.ini <<'INI'
[experiment]
repetitions = 1
duration = 5ms
warmup = 0ms
survey = 0
[allocator jemalloc]
plugin = malloc
library = libjemalloc.so.2
[allocator nowhere]
plugin = malloc
library = libnowhere.so.9
[allocator none]
plugin = malloc
library = libm.so.6
[matrix]
allocator = jemalloc, nowhere, none
workload = objects
INI
expect 3 "$s" plan libraries.ini
has out "nowhere: the allocator can't be opened: library = libnowhere.so.9"
has out "none: the allocator can't be opened: "
expect 3 "$s" run libraries.ini --db libraries.db
expect 0 "$s" export libraries.db
has out "libnowhere.so.9: cannot open shared object file"
has out "it has no malloc of its own"
if ldconfig -p 2> /dev/null | grep -q libjemalloc.so.2; then
  awk -F, '$2 == "jemalloc" && $6 == "ok"' out | grep -q . || fail "jemalloc was not loaded: $(grep ',jemalloc,' out)"
fi

echo "== plugins that misbehave cost their own trials and nothing else"
cat > bad.ini <<'INI'
[experiment]
repetitions = 2
duration = 20ms
warmup = 1ms
survey = 1
time_limit = 8s
[machine]
memory = 32MiB
[workload scullc]
device_size = 2MiB
[workload scullp]
device_size = 256KiB
[matrix]
allocator = segv, sleep, overlap, liar, exhaust, miscount, exit, chatter, openfail, crooked, kmalloc, forge, forge-deep, flood
workload = scullc, scullp
exclude = segv/scullp, sleep/scullp, overlap/scullp, liar/scullp, exhaust/scullp, miscount/scullp, exit/scullp, chatter/scullp, openfail/scullp, crooked/scullc, kmalloc/scullp, forge/scullp, forge-deep/scullp, flood/scullp
INI
expect 3 "$s" run bad.ini --db bad.db --plugin-path "$BAD_PLUGINS" --no-check
cp err bad.err
has out "the allocators were not checked before they were measured"
expect 0 "$s" export bad.db
cp out bad.csv
status_of() { awk -F, -v a="$1" '$2 == a { print $6 }' bad.csv | sort -u | tr '\n' ' '; }
while read -r name want; do
  [ "$(status_of "$name")" = "$want " ] || { fail "$name: '$(status_of "$name")', expected '$want'"; grep ",$name," bad.csv | cut -c1-200; }
done <<'EOF'
segv crashed
sleep timeout
overlap invalid
liar check-failed
exhaust out-of-memory
miscount check-failed
exit crashed
chatter ok
openfail error
crooked invalid
kmalloc ok
forge crashed
forge-deep crashed
flood crashed
EOF
grep -q ',forge,.*ended with exit status 0 and without a result in phase survey' bad.csv || fail "a plugin finds where results go: $(grep ,forge, bad.csv)"
grep -q 'its output contradicts itself: metric ops_per_s comes before the trial was torn down' bad.csv || fail "a forged result is believed: $(grep ,forge-deep, bad.csv)"
grep -qE ',flood,.*(its output has no end: more than 64 MiB|its output contradicts itself)' bad.csv || fail "a flood has no bound: $(grep ,flood, bad.csv | cut -c1-200)"
[ "$(sqlite3 bad.db "select count(*) from metric join trial on trial = number where status = 'crashed'")" = 0 ] || fail "a crashed trial has numbers"

has bad.csv "ended by signal 11 (Segmentation fault) in phase survey"
has bad.csv "killed after its time limit of 8.0 s, in phase survey"
has bad.csv "the third list is upside down"
has bad.csv "live blocks, the workload holds"
has bad.csv "the moon is in the wrong quarter"
has bad.err "segv / scullc / 1 thread: crashed"
has bad.csv "is not aligned to 4096"
[ "$(tail -n +2 bad.csv | wc -l)" = 28 ] || fail "not every trial is stored"
if command -v gnuplot > /dev/null; then
  expect 0 "$s" report bad.db --out rbad
  has rbad/index.html "about to crash"
fi

echo "== every byte that was written is compared: at each free of the survey, and at the end"
cat > flip.ini <<'INI'
[experiment]
repetitions = 2
duration = 20ms
warmup = 1ms
survey = 1
[machine]
memory = 32MiB
[workload zero]
plugin = scullc
device_size = 256KiB
[workload random]
plugin = scullc
source = random
device_size = 256KiB
[workload fifo]
plugin = objects
pattern = fifo
size = 1KiB
count = 1000
touch = full
[workload pair]
plugin = objects
size = 1KiB
touch = full
[matrix]
allocator = flip, kmalloc
workload = zero, random, fifo, pair
exclude = flip/pair
INI
expect 3 "$s" run flip.ini --db flip.db --no-check --plugin-path "$BAD_PLUGINS"
[ "$(sqlite3 flip.db "select allocator, status, count(*) from trial join cell on cell.id = cell group by 1, 2" | tr '\n' ' ')" = "flip|invalid|6 kmalloc|ok|8 " ] ||
  fail "wrong bytes in blocks are not noticed, or seen where there are none: $(sqlite3 flip.db "select label, status, reason from trial join cell on cell.id = cell")"
[ "$(sqlite3 flip.db "select count(*) from trial where reason like '%at its free'")" = 2 ] || fail "objects doesn't compare a block at its free"
# Without a survey what lives at the end is compared all the same.
expect 3 "$s" run flip.ini --db flip-end.db --no-check --plugin-path "$BAD_PLUGINS" --set experiment.survey=0
[ "$(sqlite3 flip-end.db "select count(*) > 0 from trial where status = 'invalid' and phase = 'verify'")" = 1 ] || fail "wrong bytes at the end are not noticed"

echo "== plugins built for the oldest minor version are measured"
printf '[experiment]\nrepetitions = 1\nduration = 5ms\nsurvey = 1\n[matrix]\nallocator = frozen-malloc, slub\nworkload = frozen, objects\n' > frozen.ini
expect 0 "$s" run frozen.ini --db frozen.db --plugin-path "$FROZEN"
[ "$(sqlite3 frozen.db "select count(*) from trial where status = 'ok'")" = 4 ] || fail "plugins of ABI 1.0 don't run"
expect 3 "$s" run frozen.ini --db reports.db --plugin-path "$FROZEN" --set matrix.allocator=null --set matrix.workload=reports
sqlite3 reports.db "select reason from trial" > out
has out "the workload reported live blocks of an allocator that gives the same addresses to all, as null does"
[ "$(sqlite3 frozen.db "select min(value) > 0 from metric where name = 'rounds'")" = 1 ] || fail "their counters are lost"

echo "== an allocator that breaks a promise gets no number"
expect 3 "$s" run bad.ini --db gate.db --plugin-path "$BAD_PLUGINS" --set matrix.allocator=overlap,kmalloc --set matrix.exclude=*/scullp
has err "overlap / scullc / 1 thread: invalid: \`scullbench check\` finds a promise broken, overlap"
has out "invalid: "
[ "$(sqlite3 gate.db "select count(*) from trial")" = 2 ] || fail "an invalid allocator was measured, or the valid one wasn't"
"$s" run bad.ini --db gate2.db --plugin-path "$BAD_PLUGINS" --set matrix.allocator=kmalloc --set matrix.exclude=*/scullp > out 2> err
grep -q "checking kmalloc" err && fail "a build that passed is checked again"

mkdir alone
cp "$s" "$build/scullbench-trial" alone && ln -s "$build/plugins" alone/plugins
expect 1 env XDG_CACHE_HOME="$dir/empty" alone/scullbench run small.ini --db alone.db --set matrix.allocator=slub --set matrix.workload=scullc
has err "the check before the run can't be made: "
has err "--no-check measures without it"
[ -e alone.db ] && fail "a run that can't check its allocators makes a database"
before=$(find /tmp -maxdepth 1 -name 'scullbench-??????' | wc -l)
env XDG_CACHE_HOME="$dir/empty" "$s" run small.ini --db check.db > out 2> err &
pid=$!
until grep -q checking err || ! kill -0 $pid 2> /dev/null; do sleep 0.05; done
kill -INT $pid
wait $pid
[ $? = 130 ] || { fail "exit status after Ctrl-C in the check"; cat err; }
[ "$(find /tmp -maxdepth 1 -name 'scullbench-??????' | wc -l)" -le "$before" ] || fail "a check that was cut off leaves its file in /tmp"

expect 3 "$s" run bad.ini --db none.db --plugin-path "$BAD_PLUGINS" --set matrix.allocator=overlap --set matrix.exclude=*/scullp
has out "the reasons: scullbench show none.db"
! grep -q "scullbench report" out || fail "a report is advised of a run without a trial"

echo "== the survey sees a cycle that is shorter than a batch, and says where there is nothing to see"
printf '[experiment]\nrepetitions = 1\nduration = 5ms\nsurvey = 1\n[workload few]\nplugin = objects\npattern = fifo\nsize = 2MiB\ncount = 10\n[workload pairs]\nplugin = objects\npattern = pair\n[matrix]\nallocator = buddy\nworkload = few, pairs\n' > few.ini
expect 0 "$s" run few.ini "${unchecked[@]}" --db few.db
"$s" export few.db --what series > few.csv
series() { awk -F, -v cell="buddy / $1 / 1 thread" -v name="$2" '$2 == cell && $3 == name && !seen[$6]++ { n++; if ($6 > most) most = $6 } END { print n + 0, most + 0 }' few.csv; }
[ "$(series few requested_bytes)" = "11 20971520" ] || fail "the survey of 10 blocks of 2 MiB saw $(series few requested_bytes)"
[ "$(series pairs held_bytes)" = "0 0" ] || fail "a line at zero by construction is kept: $(series pairs held_bytes)"
sqlite3 few.db "select u.reason from unavailable u join trial on trial = number join cell on cell.id = cell where name = 'footprint' and workload = 'pairs'" > out
has out "nothing was live at any checkpoint of the survey: the workload frees each block before its next call"

echo "== a workload's file lies beside the config, wherever the run is started"
mkdir -p beside/config
head -c 5000 /dev/urandom > beside/config/data.bin
printf '[experiment]\nrepetitions = 1\nduration = 5ms\n[workload scullc]\nsource = file:data.bin\ndevice_size = 64KiB\n[matrix]\nallocator = slub\nworkload = scullc\n' > beside/config/file.ini
expect 0 "$s" run beside/config/file.ini "${unchecked[@]}" --db file.db
sqlite3 file.db "select settings from cell" > out
has out "source = file:data.bin"

echo "== a machine of more than 1024 CPUs"
if [ "$sanitized" = 0 ]; then
  expect 0 env LD_PRELOAD="$FROZEN/bigmask.so" "$s" run small.ini --db bigmask.db --set matrix.allocator=slub --set matrix.workload=scullc --set experiment.repetitions=1
  [ "$(sqlite3 bigmask.db "select count(*) from trial where status = 'ok'")" -ge 1 ] || fail "no trial where sets of CPUs are long"
fi

echo "== what can't be written is no success"
expect 1 sh -c '"$1" --version > /dev/full' _ "$s"
expect 1 sh -c '"$1" --help > /dev/full' _ "$s"

echo "== Ctrl-C keeps what is finished"
"$s" run small.ini "${unchecked[@]}" --db int.db --set experiment.repetitions=200 > int.out 2> int.err &
pid=$!
until_trials int.db 3 $pid
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "exit status after Ctrl-C"
has int.out "interrupted; what is finished is kept"
has int.out "scullbench report int.db"
expect 0 "$s" export int.db
[ "$(tail -n +2 out | wc -l)" -ge 3 ] || fail "finished trials are gone"
no_trial_left

echo "== names and paths that mean something to others are taken to the letter"
grep -v "^scullc.quantum" small.ini > plain.ini
expect 0 "$s" run plain.ini --db :memory: --set matrix.allocator=slub --set matrix.workload=scullp --set experiment.repetitions=1
expect 0 "$s" export ./:memory:
[ "$(tail -n +2 out | wc -l)" = 1 ] || fail "a database called :memory: lost its trial"
mkdir -p "odd ;name" && head -c 5000 /dev/urandom > "odd ;name/\${HOME}"
expect 0 "$s" run plain.ini --db odd.db --set matrix.allocator=kmalloc --set matrix.workload=scullc-file --set "scullc-file.source=file:odd ;name/\${HOME}" --set experiment.repetitions=1
"$s" export a.db > /dev/full 2> err && fail "a full disk was not noticed"
has err "can't be written"
cat plain.ini > sweep.ini; echo 'scullc-file.source = zero, file:/no/such' >> sweep.ini
expect 0 "$s" plan sweep.ini
has out "is not a readable file with contents"
HWLOC_SYNTHETIC="package:16 core:32 pu:2" "$s" plan plain.ini --set matrix.threads=all --set machine.memory=1024MiB --set matrix.workload=scullv --trial 1 > long.ini || fail "plan of 1024 threads"
"$build/scullbench-trial" < long.ini 2>&1 | grep -q "at most" && fail "a long line of a trial is refused"

echo "== a killed run leaves a database that reads"
"$s" run small.ini --no-check --db kill.db --set experiment.repetitions=200 > /dev/null 2>&1 &
pid=$!
until_trials kill.db 1 $pid
kill -KILL $pid
wait $pid 2> /dev/null
no_trial_left
expect 0 "$s" export kill.db
cp "$tests/data/charts/sample.db" hot.db
sqlite3 hot.db > /dev/null <<'SQL'
pragma cache_size = 10;
begin immediate;
insert into dump select 999, 'x', hex(zeroblob(2000)) from metric limit 500;
.shell cp hot.db killed.db; cp hot.db-journal killed.db-journal
SQL
[ -s killed.db-journal ] || fail "the test has no hot journal"
expect 0 "$s" export killed.db
[ "$(tail -n +2 out | wc -l)" = "$(sqlite3 "$tests/data/charts/sample.db" "select count(*) from trial")" ] || fail "trials before a broken commit are gone"
head -c 20000 killed.db > cut.db
expect 1 "$s" export cut.db
has err "cut.db"
grep -q "is not a scullbench database" err && fail "a damaged database is called none"

echo "== a reader doesn't end the run that it looks at"
"$s" run small.ini --no-check --db read.db --set experiment.repetitions=3 > out 2> err &
pid=$!
until_trials read.db 1 $pid
sqlite3 -cmd ".timeout 5000" read.db "begin; select count(*) from trial;" ".shell sleep 7" > /dev/null
wait $pid
[ $? = 0 ] || { fail "a reader ended the run"; cat err; }
has err "another process reads read.db"
[ "$(tail -n +2 out | wc -l)" -ge 1 ] || fail "finished trials are gone"

if [ $failed != 0 ]; then
  echo "$failed failed"
  exit 1
fi
echo "all well"
