#!/usr/bin/env bash
# Recordings of a kernel and of real programs become traces, which are replayed; real programs run with a library
# preloaded, and those that crash are no number.
# usage: trace.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
churn=$build/tests/churn
traces=$tests/../configs/traces
# of KIND FILE: allocs and frees that import printed of that kind
of() { awk -v kind="$1" '$1 == kind { print $2, $3 }' "$2"; }

config() { printf '[experiment]\nrepetitions = 1\nduration = 5ms\nwarmup = 1ms\nsteady = off\n%s\n[workload w]\nplugin = trace\nsource = file:%s\n%s\n[matrix]\nallocator = %s\nworkload = w\nthreads = %s\n' "$1" "$2" "$3" "$4" "$5" > config.ini; }

if [ "$racing" != 0 ]; then
  echo "== threads that hand blocks to each other, and by the trace's clock"
  config "survey = 1" "$traces/git.sbt" "events = slab" kmalloc 2
  expect 0 "$s" run config.ini --db races.db
  config "survey = 1" "$traces/git.sbt" "events = pages
pace = trace" buddy 2
  expect 0 "$s" run config.ini --db paced.db
  conclude
fi

echo "== what can't be imported is told in one line"
wrong() { local want=$1; shift; expect 2 "$s" import "$@"; has err "$want"; [ "$(wc -l < err)" = 1 ] || fail "more than one line: $*"; }
wrong "import needs one of FILE, --record TIME and --program COMMAND" -o x.sbt
wrong "import needs one of FILE, --record TIME and --program COMMAND" a --program true -o x.sbt
wrong "import doesn't know what to do with 'b'" a b
wrong "import needs -o FILE, the trace to write" --program true
wrong "--process is for --program alone" a --process b -o x.sbt
wrong "nowhere.txt can't be read: No such file or directory" nowhere.txt -o x.sbt
wrong "--record: " --record 10 -o x.sbt
echo "hello" > hello.txt
expect 2 "$s" import hello.txt -o x.sbt
has err "hello.txt holds no event of an allocator; expected is the text of perf script --ns"
has err "1 line is no event as perf script prints one; the first is line 1"
wrong "hello.txt: 6 bytes are too few for a trace" hello.txt
: > empty
wrong "empty can't be read: it is empty" empty
expect 1 "$s" import "$tests/data/perf.txt" -o no/folder/x.sbt
has err "no/folder/x.sbt can't be written: No such file or directory"
expect 0 "$s" import --program 'exit 3' -o failed.sbt
has err "the recorded command failed with status 3; what it asked for until then is in the trace"
mkfifo pipe
expect 1 "$s" import "$tests/data/perf.txt" -o pipe
has err "pipe is no regular file, and is not replaced by one"
cp "$tests/data/perf.txt" same.txt
wrong "-o: same.txt is what is to be read" same.txt -o same.txt
sed '2s/bytes_req=[0-9]*/bytes_req=18446744073709551615/' "$tests/data/perf.txt" > huge.txt
expect 0 "$s" import huge.txt -o huge.sbt
has err "1 line is no event as perf script prints one; the first is line 2"
[ ! -e x.sbt ] || fail "something was written"
ls -d x.sbt.* 2> /dev/null && fail "something was left behind"

echo "== the same text in every wrapping is the same trace"
expect 0 "$s" import "$tests/data/perf.txt" --title text -o plain.sbt
sed 1d out > plain.out
zstd -q "$tests/data/perf.txt" -o perf.txt.zst 2> /dev/null && wrapped=zst
gzip -c "$tests/data/perf.txt" > perf.txt.gz
for kind in ${wrapped:-} gz; do
  expect 0 "$s" import perf.txt.$kind --title text -o again.sbt
  cmp plain.sbt again.sbt || fail "another trace from $kind"
done
"$s" import - --title text -o again.sbt < "$tests/data/perf.txt" > out || fail "not from standard input"
cmp plain.sbt again.sbt || fail "another trace from standard input"
expect 0 "$s" import plain.sbt
tail -n +2 out | diff - <(tail -n +2 plain.out) || fail "looking at the trace prints something else"
# As many allocations as the text has lines of them, by its own words.
for pair in sized:kmalloc cache:kmem_cache_alloc percpu:percpu_alloc_percpu vmalloc:alloc_vmap_area; do
  lines=$(grep -c ":${pair#*:}: " "$tests/data/perf.txt")
  [ "$(of "${pair%%:*}" plain.out | cut -d' ' -f1)" = "$([ "$lines" = 0 ] || echo "$lines")" ] || fail "${pair#*:}: $lines lines, but $(of "${pair%%:*}" plain.out)"
done
head -c 2000 perf.txt.gz > cut.txt.gz
expect 1 "$s" import cut.txt.gz -o cut.sbt
has err "gzip failed with status"

echo "== a damaged trace is refused with its offset, at plan time where the head shows it"
head -c 2000 plain.sbt > short.sbt
config "" short.sbt "" null 1
expect 2 "$s" plan config.ini
has err "config.ini:9: source: '$dir/short.sbt' is no trace to replay: at byte 2000: the file ends here"
cp plain.sbt bent.sbt
printf '\377' | dd of=bent.sbt bs=1 seek=1000 conv=notrunc 2> /dev/null
config "" bent.sbt "" null 1
expect 3 "$s" run config.ini --db bent.db
has out "source: at byte 616: what follows here is damaged: its checksum is not the head's"
config "" plain.sbt "sum = 0123456789abcdef" null 1
expect 2 "$s" plan config.ini
has err "config.ini:10: sum: it is another trace: its sum is "

echo "== a program's calls are all there: threads, realloc, aligned forms, hand-overs"
for threads in 1 3; do
  expect 0 "$s" import --program "$churn $threads 40" --process churn -o churn.sbt
  n=$((threads * 40))
  # to 128KiB: 70000 and 90000 bytes; to 8KiB: aligned_alloc; to 1KiB: calloc
  [ "$(awk '$2 == "128KiB" { print $3 }' out)" = $((2 * n)) ] || fail "70000 and 90000 bytes: $(cat out)"
  [ "$(awk '$2 == "8KiB" { print $3 }' out)" = $n ] || fail "aligned_alloc: $(cat out)"
  [ "$(awk '$1 == "sized" { print ($2 == $3) " " $5 " " ($4 >= '$((threads > 1 ? n : 0))') }' out)" = "1 0 1" ] || fail "counts: $(cat out)"
done
# The command may change its folder, and what is preloaded already stays.
mkdir -p elsewhere
expect 0 "$s" import --program "cd elsewhere; $churn 1 40" --process churn -o cd.sbt
# Descriptors closed and their numbers taken by the program's own files, and a limit below ours: nothing is lost, and
# the program's file is its own.
cat > shut.c << 'EOF'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
int main(void)
{
    struct rlimit few = {64, 64};
    for (int i = 0; i < 5000; i++)
        free(malloc(70000));
    for (int fd = 3; fd < 1100; fd++)
        close(fd);
    int mine = open("mine", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(mine, "mine", 4) != 4)
        return 1;
    for (int fd = 890; fd < 1000; fd++)
        dup2(mine, fd);
    for (int i = 0; i < 20000; i++)
        free(malloc(70000));
    setrlimit(RLIMIT_NOFILE, &few);
    if (!_Fork())
        for (int i = 0; i < 20000; i++)
            free(malloc(70000));
    return 0;
}
EOF
if cc -fno-builtin shut.c -o shut 2> /dev/null; then
  expect 0 "$s" import --program "ulimit -n 2048; ./shut" --process shut -o shut.sbt
  [ "$(cat mine)" = mine ] || fail "a file of the program's was written to"
  [ "$(awk '$2 == "128KiB" { print $3 }' out)" = 25000 ] || fail "after its descriptor was closed: $(cat out)"
  # 400 blocks of a kilobyte: room for the first chunk alone, and the recording says that it ends there.
  (ulimit -f 400; SCULLBENCH_RECORD=$dir/limited. LD_PRELOAD=$build/libscullbench-record.so ./shut) || fail "a limit of files' sizes ends a recorded program"
  expect 2 "$s" import "$(ls limited.* | head -1)" -o limited.sbt
  has err "the disk was full, or the file as long as it may be, before the program ended: calls after that are missing"
fi
expect 1 "$s" import --program "$churn 1 1" --process nobody -o x.sbt
has err "recorded processes is called 'nobody'"
# Nothing is lost when it is killed, and a child writes a file of its own.
SCULLBENCH_RECORD=killed. LD_PRELOAD=$build/libscullbench-record.so "$churn" 2 40 kill 2> /dev/null
expect 0 "$s" import killed.* -o killed.sbt
[ "$(awk '$2 == "128KiB" { print $3 }' out)" = 160 ] || fail "of a killed program: $(cat out)"
# A file for each process, each with its own calls alone.
SCULLBENCH_RECORD=forked. LD_PRELOAD=$build/libscullbench-record.so sh -c "(exec $churn 1 10); $churn 1 20; :"
for file in forked.*; do
  expect 0 "$s" import "$file" -o forked.sbt
  echo "$(head -1 out | cut -d' ' -f1) $(awk '$2 == "128KiB" { print $3 }' out)"
done | sort > forked.out
grep -qx "churn 20" forked.out && grep -qx "churn 40" forked.out || fail "processes and their calls: $(cat forked.out)"
# Without the variable nothing is recorded, and nothing else changes.
LD_PRELOAD=$build/libscullbench-record.so "$churn" 2 40 || fail "not without a recording"
SCULLBENCH_RECORD=/nowhere/x. LD_PRELOAD=$build/libscullbench-record.so "$churn" 2 40 || fail "not where no file can be had"

echo "== real programs"
expect 0 "$s" import --program "cc -O2 -c $tests/plugins/churn.c -o churn.o" -o cc.sbt
has out "processes were recorded"
[ -s churn.o ] || fail "the compiler made nothing while it was recorded"
if PYTHONMALLOC=malloc /usr/bin/python3 -c pass 2> /dev/null; then
  expect 0 "$s" import --program "PYTHONMALLOC=malloc /usr/bin/python3 -c 'import threading
t = [threading.Thread(target=lambda: [str(i) * 9 for i in range(999)]) for _ in range(3)]
[x.start() for x in t]; [x.join() for x in t]'" -o python.sbt
  grep -q "of 4 threads" out || fail "python3's threads: $(sed -n 2,3p out)"
fi

if [ "$(id -u)" = 0 ] && command -v perf > /dev/null && [ -r /sys/kernel/tracing/events/kmem ]; then
  # Which of its events the machine has by chance in a fifth of a second is not to be known; perf's own are among them.
  expect 0 "$s" import --record 200ms -o live.sbt
  has out "a running kernel: "
  [ "$(ls -d live.sbt* | wc -l)" = 1 ] || fail "perf's file is left: $(ls -d live.sbt*)"
fi

echo "== what an allocator does wrong is found: blocks that overlap, contents that change"
printf '[experiment]\nrepetitions = 1\nduration = 5ms\nwarmup = 1ms\nsteady = off\n[workload first]\nplugin = trace\nsource = file:cc.sbt\n[workload full]\nplugin = trace\nsource = file:cc.sbt\ntouch = full\n[matrix]\nallocator = overlap, flip, kmalloc\nworkload = first, full\nexclude = overlap/full, flip/first\n' > wrong.ini
expect 3 "$s" run wrong.ini --db wrong.db --no-check --plugin-path "$BAD_PLUGINS"
has out "two live blocks overlap: "
has out "doesn't hold what was written into it"
[ "$(grep -c ' no result: ' out)" = 2 ] || fail "only the wrong ones: $(cat out)"

echo "== replays: as many calls as the trace has, by every kind of allocator, on one thread and on two"
expect 0 "$s" import --program "$churn 3 200" --process churn -o churn.sbt
config "survey = 1" churn.sbt "touch = full" "null, kmalloc, slub, buddy, malloc" "1, 2"
expect 0 "$s" run config.ini --db replay.db
expect 0 "$s" export replay.db --format csv
cp out replay.csv
[ "$(column status replay.csv | sort | uniq -c | awk '{ print $1 $2 }')" = 10ok ] || fail "$(column status replay.csv)"
# A pass without more: all that was asked for has come back, and as often as the trace says.
config "survey = 0
operations = 2000" churn.sbt "" kmalloc 2
sed -i '/^duration\|^warmup/d; s/^steady.*/warmup = 0ms/' config.ini
expect 0 "$s" run config.ini --db once.db
expect 0 "$s" export once.db --format csv
[ "$(column status out)" = ok ] || fail "operations on two threads: $(cat out)"
config "latency = all" "$traces/git.sbt" "events = slab
pace = trace" slub 2
sed -i 's/^duration.*/duration = 300ms/' config.ini
expect 0 "$s" run config.ini --db paced.db
expect 0 "$s" import --program "sleep 0.01; cat /dev/null" --process cat -o single.sbt
config "" single.sbt "" null "1, 2"
expect 0 "$s" plan config.ini
has out "the trace is of 1 thread: more would have nothing to do"
config "" churn.sbt "events = pages" null 1
expect 2 "$s" plan config.ini
has err "the trace has no events of that kind (events = pages)"
printf '[experiment]\nmode = paired\nbaseline = null\n[workload w]\nplugin = trace\nsource = file:churn.sbt\n[matrix]\nallocator = null, kmalloc\nworkload = w\nthreads = 1, 2\n' > pair.ini
expect 0 "$s" plan pair.ini
has out "threads of this workload wait for each other: they can't be measured by turns (mode = paired)"

echo "== whole programs, one of which crashes under one library"
mkdir runs
export TMPDIR=$dir/runs
cat > programs.ini << EOF
[experiment]
repetitions = 2
duration = 1ms
warmup = 0ms
survey = 0
[allocator own]
plugin = malloc
[allocator other]
plugin = malloc
env.WHO = other
[workload good]
plugin = program
command = $churn 2 50; sleep 0.05
[workload crash]
plugin = program
command = if [ "\$WHO" = other ]; then $churn 1 1 abort; else sleep 0.03; fi
[workload fails]
plugin = program
command = sleep 0.03; cat nothing; exit 7
[workload leaves]
plugin = program
command = sleep 4711 & sleep 0.05
[workload large]
plugin = program
command = (head -c 64M /dev/zero | (tail -c 64M; sleep 0.3) | (sleep 0.2; cat) > /dev/null) & sleep 0.8
[pmu]
provider = cachegrind
[matrix]
allocator = own, other
workload = good, crash, fails, leaves, large
EOF
expect 3 "$s" run programs.ini --db programs.db
has out "the program was ended by signal 6 (Aborted); it said: churn: the last words"
has out "the program failed with status 7; it said: cat: nothing: No such file or directory"
pgrep -f "sleep 4711" > /dev/null && { fail "a program was left behind"; pkill -f "sleep 4711"; }
expect 0 "$s" export programs.db --format csv
cp out programs.csv
for cell in "own,good,2" "other,good,2" "own,crash,2" "other,crash,0" "own,fails,0" "own,leaves,2"; do
  IFS=, read -r allocator workload n <<< "$cell"
  got=$(awk -F, -v a="$allocator" -v w="$workload" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["allocator"] == a && $at["workload"] == w && $at["run_time"] > 0 && $at["run_cpu_time"] >= 0 && $at["run_resident_peak"] > 100000 && $at["run_page_faults"] > 0 { n++ } END { print n + 0 }' programs.csv)
  [ "$got" = "$n" ] || fail "$allocator / $workload: $got runs with numbers, expected $n"
done
# Another process's 64 MiB, which the shell does not wait for, are in the peak, and the mean is below it.
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } $at["workload"] == "large" {
  n++; if ($at["run_resident_peak"] < 64 * 1048576 || $at["run_resident_mean"] <= 0 || $at["run_resident_mean"] >= $at["run_resident_peak"]) bad++ }
  END { exit !(n == 4 && !bad) }' programs.csv || fail "memory of processes: $(cat programs.csv)"
# What runs elsewhere isn't simulated.
[ "$(column simulated programs.csv | sort -u)" = no ] || fail "programs were simulated"
# Who isn't given the library is not measured as if he had been.
library=$(ls /usr/lib/*/libjemalloc.so.2 /usr/lib/*/libmimalloc.so.2 2> /dev/null | head -1)
if [ -n "$library" ] && [ "$sanitized" = 0 ]; then
  printf '[experiment]\nrepetitions = 1\nduration = 1ms\nwarmup = 0ms\nsurvey = 0\n[allocator lib]\nplugin = malloc\nlibrary = %s\n[workload with]\nplugin = program\ncommand = sleep 0.1\n[workload without]\nplugin = program\ncommand = env -u LD_PRELOAD sleep 0.2\n[matrix]\nallocator = lib, slub\nworkload = with, without\n' "$library" > given.ini
  expect 3 "$s" run given.ini --db given.db
  grep -qE "at [0-2] of [0-9]+ looks at the program a process of it had $library: it drops LD_PRELOAD, is linked statically" out || fail "without the library: $(cat out)"
  has out "slub offers only cache, bulk; the workload needs a library that a program can be given (preload)"
  [ "$(grep -c ' no result: ' out)" = 1 ] || fail "with the library it should be a number: $(cat out)"
fi
[ -z "$(ls runs)" ] || fail "folders of runs are left: $(ls runs)"
conclude
