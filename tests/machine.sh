#!/usr/bin/env bash
# What trials find: memory of the right size, of their block and clear, and CPUs that were kept busy.
# usage: machine.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
cat > base.ini <<'INI'
[experiment]
repetitions = 3
duration = 5ms
warmup = 1ms
steady = off
survey = 1
survey_points = 2
[machine]
memory = 32MiB
[pmu]
provider = none
[workload objects]
pattern = fifo
[matrix]
allocator = slub, malloc, bump
workload = objects
INI
# A step of the workload takes milliseconds there.
[ "$sanitized" = 0 ] || sed -i 's/duration = 5ms/duration = 100ms/' base.ini
sql() { sqlite3 "$1" "$2"; }
# files DB [ALLOCATOR]: the memory files of its trials, in their order; retries have their repetition's
files() { sql "$1" "select group_concat(memory_file, ' ') from (select memory_file from trial join cell on cell.id = cell where allocator like '${2:-%}' and retry = 0 order by number)"; }

echo "== a block's cells share a memory file, the next block has another"
expect 0 "$s" run base.ini --db shared.db --no-check
[ "$(files shared.db slub)" = "1 2 3" ] && [ "$(files shared.db bump)" = "1 2 3" ] ||
  fail "three blocks have three files: $(files shared.db slub), $(files shared.db bump)"
[ "$(files shared.db malloc)" = "0 0 0" ] || fail "malloc has no memory file: $(files shared.db malloc)"
expect 0 "$s" export shared.db --format csv
[ "$(column memory_file out | sort -u | tr '\n' ' ')" = "0 1 2 3 " ] || fail "export lacks the memory files"
for set in machine.memory_reuse=no experiment.order=sequential machine.prefault=no; do
  expect 0 "$s" run base.ini --db own.db --no-check --set $set
  [ "$(files own.db)" = "0 0 0 0 0 0 0 0 0" ] || fail "$set: each trial has a file of its own: $(files own.db)"
  rm own.db
done

echo "== cells of other sizes and more threads run on the same pages"
expect 0 "$s" run base.ini --db sizes.db --no-check --set matrix.machine.memory=32MiB,48MiB
[ "$(files sizes.db slub)" = "1 1 2 2 3 3" ] || fail "two sizes have one file a block: $(files sizes.db slub)"

echo "== every allocator finds clear memory, whoever ran before"
expect 0 "$s" run base.ini --db stained.db --no-check --plugin-path "$ZOO" --set matrix.allocator=zoo-stainer,slub --set experiment.repetitions=4
[ "$(sql stained.db "select count(*) from trial where status = 'ok'")" = 8 ] || fail "stained memory was handed on"
expect 0 "$s" run base.ini --db stained2.db --no-check --plugin-path "$ZOO" --set matrix.allocator=zoo-stainer --set matrix.machine.memory=32MiB,48MiB,16MiB
[ "$(files stained2.db)" = "1 1 1 2 2 2 3 3 3" ] || fail "three sizes have one file a block: $(files stained2.db)"

echo "== what may still be written to is given to nobody"
expect 3 "$s" run base.ini --db reopened.db --no-check --plugin-path "$ZOO" --set matrix.allocator=zoo-option-mute,bump --set zoo-option-mute.level=9
[ "$(sql reopened.db "select count(*) = count(distinct memory_file) from trial join cell on cell.id = cell where allocator = 'zoo-option-mute'")" = 1 ] ||
  fail "a trial that ended in its setup handed its memory on: $(files reopened.db)"

echo "== memory = auto is what the largest cell of the workload needs"
memory() { expect 0 "$s" plan base.ini --trial 1 --set machine.memory=auto "$@"; sed -n 's/^memory = //p' out; }
[ "$(memory)" = 32MiB ] || fail "640 KB of objects need 32MiB: $(memory)"
# A page each, twice, and 24 MiB.
[ "$(memory --set matrix.allocator=slub,buddy)" = 112MiB ] || fail "of pages: $(memory --set matrix.allocator=slub,buddy)"
[ "$(memory --set matrix.allocator=slub,buddy --set matrix.threads=1,2)" = 192MiB ] ||
  fail "of two threads: $(memory --set matrix.allocator=slub,buddy --set matrix.threads=1,2)"
[ "$(memory --set matrix.workload=pressure --set matrix.allocator=slub)" = 64MiB ] || fail "of what uses memory up"
expect 0 "$s" run base.ini --db auto.db --no-check --set machine.memory=auto --set matrix.allocator=buddy,slub
[ "$(sql auto.db "select count(*) from cell where settings like '%memory = 112MiB%'")" = 2 ] || fail "the size isn't stored"

echo "== CPUs are kept busy until the trial's own threads work"
# Where others are busy threads of the lowest priority have no turn: then nothing need be kept.
[ "$(sql shared.db "select count(*) from metric where name = 'kept_busy_ns'")" = 9 ] || fail "how long CPUs were kept busy isn't stored"
[ "$(sql shared.db "select count(*) from metric where name = 'kept_busy_ns' and value > 0")" -ge 1 ] || fail "nothing kept the CPUs busy"
expect 0 "$s" run base.ini --db idle.db --no-check --set machine.keep_busy=no
[ "$(sql idle.db "select count(*) from metric where name = 'kept_busy_ns'")" = 0 ] || fail "CPUs were kept busy, and were not to be"
expect 0 "$s" report shared.db --out report
has report/methods.md "Cells of one block ran on the same physical pages, cleared in between."
has report/methods.md "Until its threads worked a trial's CPUs were kept busy, so that none came out of idle."
expect 0 "$s" report idle.db --out report-idle
! grep -q "kept busy" report-idle/methods.md || fail "methods say that CPUs were kept busy, and they weren't"
conclude
