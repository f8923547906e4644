#!/usr/bin/env bash
# Trials that the machine disturbs: stopped, kept from their CPU, slowed by an allocator's own threads. None of them
# becomes a number, and none goes missing without a word.
# usage: disturbed.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
cat > stop.ini <<'INI'
[experiment]
repetitions = 2
duration = 1500ms
warmup = 1ms
steady = off
survey = 1
survey_points = 4
[machine]
memory = 32MiB
[pmu]
provider = none
[matrix]
allocator = slub
workload = objects
INI

# stop_first N: stops each of the first N trials in the middle of its measured phase, for as long as half of it.
stop_first() {
  local pid last="" n=0
  for _ in $(seq 600); do
    [ $n -lt "$1" ] || return
    for pid in $(pgrep -x scullbench-tria); do
      [ "$(readlink "/proc/$pid/cwd")" = "$dir" ] && [ "$pid" != "$last" ] && [ -e "/proc/$pid/task" ] || continue
      last=$pid
      n=$((n + 1))
      sleep 0.7
      kill -STOP "$pid" && sleep 0.75 && kill -CONT "$pid"
    done
    sleep 0.02
  done
}

echo "== a stopped trial is made again, and counted aloud"
stop_first 1 &
expect 0 "$s" run stop.ini --db stopped.db --no-check
wait
has out "2 of 2 trials are in stopped.db; 1 trial was disturbed and made again"
has err "the process was stopped"
[ "$(sqlite3 stopped.db "select group_concat(status || retry, ' ') from (select * from trial order by repetition, retry)")" = "disturbed0 ok1 ok0" ] ||
  fail "one disturbed trial and its retry were expected: $(sqlite3 stopped.db 'select number, repetition, retry, status, reason from trial')"
[ "$(sqlite3 stopped.db "select count(*) from metric join trial on trial = number where status = 'disturbed' and name in ('ops_per_s', 'alloc_ns', 'free_ns')")" = 0 ] ||
  fail "a disturbed trial has a rate"
[ "$(sqlite3 stopped.db "select value > 30 from metric join trial on trial = number where status = 'disturbed' and name = 'lost_time'")" = 1 ] ||
  fail "a disturbed trial doesn't say how much it lost"
expect 0 "$s" show stopped.db
has out "The machine disturbed 1 trial "
has out "0 repetitions were disturbed to the last retry"

echo "== a repetition that is disturbed to the last retry is missing in none of the five"
stop_first 1 &
expect 3 "$s" run stop.ini --db lost.db --no-check --set experiment.retries=0
wait
has out "1 repetition has no number: disturbed to the last retry"
expect 0 "$s" show lost.db
has out "1 of 2 repetitions has no number (1 disturbed)"
expect 0 "$s" export lost.db
[ "$(column status out | sort | tr '\n' ' ')" = "disturbed ok " ] || fail "export has no row for a disturbed trial"
has out "the process was stopped"
expect 0 "$s" compare lost.db stopped.db --anyway
has out "1 trial was disturbed by the machine and made again; 1 repetition has no number for it"
has out "1 of 2 repetitions has no number (1 disturbed)"
if command -v gnuplot > /dev/null; then
  expect 0 "$s" report lost.db --out lost
  has lost/methods.md "1 repetition has no number for it"
  has lost/index.html "1 of 2 repetitions has no number (1 disturbed)"
  has lost/index.html "1 of 2 disturbed"
  has lost/report.md "1 of 2 repetitions has no number"
  has lost/tables/cells.md "1 of 2 disturbed, n = 1"
fi

echo "== four busy processes a CPU: no ok trial with a window under 90 %"
for _ in $(seq $((4 * $(nproc)))); do
  while :; do :; done &
  busy="${busy:-} $!"
done
expect_any() { "$@" > out 2> err; }
expect_any "$s" run stop.ini --db busy.db --no-check --set experiment.duration=20ms --set experiment.repetitions=15 \
  --set matrix.allocator=slub,null --set matrix.threads=all
kill $busy
[ "$(sqlite3 busy.db "select count(*) from metric join trial on trial = number where status = 'ok' and name = 'shortest_window' and value < 90")" = 0 ] ||
  fail "an ok trial was measured over less than 90 % of its window"
[ "$(sqlite3 busy.db "select count(*) from trial where status = 'ok'")" -gt 0 ] || fail "not one trial came through"
disturbed=$(sqlite3 busy.db "select count(*) from trial where status = 'disturbed'")
lost=$(sqlite3 busy.db "select (select count(*) from trial where retry = 0) - (select count(*) from trial where status = 'ok')")
[ "$disturbed" = $lost ] || has out "$((disturbed - lost)) trial"
[ "$lost" = 0 ] || has out "$lost repetition"

echo "== threads of the allocator's own are told, and are not ours"
cat > own.c <<'C'
#include <pthread.h>
static void *spin(void *p) { for (volatile unsigned long i = 0;; i++); return p; }
__attribute__((constructor)) static void begin(void) { pthread_t t; pthread_create(&t, 0, spin, 0); }
C
# A sanitizer wants to be there before all others.
if [ "$sanitized" = 0 ]; then
  gcc -shared -fPIC -o own.so own.c -lpthread || fail "the library with a thread can't be built"
  printf '[allocator own]\nplugin = malloc\nenv.LD_PRELOAD = %s/own.so\n' "$dir" | cat stop.ini - > own.ini
  expect_any "$s" run own.ini --db own.db --no-check --set experiment.duration=200ms --set matrix.allocator=own,malloc
  more() { sqlite3 own.db "select value > 50 from metric join trial on trial = number join cell on cell.id = trial.cell where allocator = '$1' and metric.name = 'allocator_threads_cpu' and status = 'ok' limit 1"; }
  [ "$(more own)" = 1 ] || fail "a thread of the library's own isn't seen"
  [ "$(more malloc)" = 0 ] || fail "glibc has threads of its own"
  has out "threads that the allocator itself started ran while it was measured"
fi
conclude
