#!/usr/bin/env bash
# What the verbs print on machines that don't exist, compared with what they should.
# usage: golden.sh BUILD [--write]
set -u
build=$(realpath "$1")
write=${2:-}
cd "$(dirname "$0")/golden" || exit 1
unset SCULLBENCH_PLUGIN_PATH
failed=0
# golden NAME COMMAND...: paths of the build don't belong into an expectation, nor do build-ids.
golden() {
  local name=$1 out
  shift
  out=$("$@" 2>&1; echo "exit status $?")
  out=$(sed -e "s#$build#BUILD#g" -e 's/build-id: [0-9a-f]\{40\}/build-id: ID/' -e 's/^event_codes = .*/event_codes = CODES/' <<< "$out")
  if [ "$write" = --write ]; then
    printf '%s\n' "$out" > "$name.expected"
  elif ! diff -u "$name.expected" <(printf '%s\n' "$out"); then
    failed=$((failed + 1))
  fi
}
s=$build/scullbench
export HWLOC_SYNTHETIC="pack:2 [numa] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)"
golden topology "$s" topology
golden topology-scatter "$s" topology --placement scatter
golden topology-last-flag "$s" topology --placement compact --placement scatter
golden topology-cpus "$s" topology --cpus "numa:1.core:0 ~pu:5"
golden topology-wrong "$s" topology --cpus core:9
golden plan "$s" plan two-packages.ini
golden plan-trial "$s" plan two-packages.ini --trial 3
golden plan-set "$s" plan two-packages.ini --set matrix.threads=2 --set slub-shared.percpu=yes --set experiment.repetitions=1
golden plan-set-wrong "$s" plan two-packages.ini --set slub-shared.percup=yes --set machine.memory=1 --set nothing --set scullq.quantum=1B
golden plan-trial-wrong "$s" plan two-packages.ini --trial 99
golden run-simulated "$s" run two-packages.ini --db /dev/null/x.db
golden describe-slub "$s" describe slub
golden describe-scullv "$s" describe scullv
golden describe-buddy "$s" describe buddy
golden describe-slab "$s" describe slab
golden dump-slub "$s" dump slub --option nr_cpus=8 --option cpu_sync=lock --cache 64 --cache 192,hwcache --cache 700,align=64 --cache 4000,hwcache --file slabinfo
golden dump-kmalloc "$s" dump kmalloc --option nr_cpus=2 --file slabinfo
golden dump-slab "$s" dump slab --option percpu=no --cache 300 --file slabinfo
golden dump-buddy "$s" dump buddy --memory 128MiB --option nodes=2 --option dma32=48MiB --option highmem=32MiB --option page_lists=no
golden dump-bootmem "$s" dump bootmem --memory 32MiB --option pool=25% --file buddyinfo
golden dump-wrong "$s" dump slub --option percup=no
golden dump-wrong-value "$s" dump slub --option percpu=perhaps
golden dump-wrong-cache "$s" dump slub --cache 64,algn=3
golden dump-wrong-size "$s" dump slub --cache 0
golden dump-no-cache "$s" dump buddy --cache 64
golden dump-no-file "$s" dump slub --file slabinf
golden dump-nothing "$s" dump null
golden dump-plugin "$s" dump slbu
golden help-compare "$s" compare --help
golden help-aa "$s" aa --help
golden help-export "$s" export --help
golden help-import "$s" import --help
golden describe-gfp "$s" describe gfp
golden describe-experiment "$s" describe experiment
golden describe-pmu "$s" describe pmu
golden plan-precision "$s" plan two-packages.ini --set experiment.repetitions=5..50 --set experiment.precision=0.5% --set pmu.provider=none
# What compare would say when all is measured.
golden plan-power "$s" plan two-packages.ini --set experiment.repetitions=2 --set pmu.provider=none --set matrix.allocator=null,slub-shared,slab
golden compare-old "$s" compare ../data/schema/1.db --baseline buddy
golden compare-old-json "$s" compare ../data/schema/1.db --baseline buddy --metric alloc_ns --format json
golden compare-no-baseline "$s" compare ../data/schema/1.db
golden compare-wrong-baseline "$s" compare ../data/schema/1.db --baseline budy
golden compare-wrong-metric "$s" compare ../data/schema/1.db --baseline buddy --metric alocs_ns
golden compare-wrong-limit "$s" compare ../data/schema/1.db --baseline buddy --fail-if-slower lots
golden export-wrong-what "$s" export ../data/schema/1.db --what trails
golden export-old-series "$s" export ../data/schema/1.db --what series
golden help-dump "$s" dump --help
golden describe-matrix "$s" describe matrix
golden describe-wrong "$s" describe slbu
golden list "$s" list
golden help "$s" --help
golden help-run "$s" run --help
golden help-report "$s" report --help
golden help-artifact "$s" artifact --help
golden describe-plot "$s" describe plot
golden version "$s" --version
golden verb-wrong "$s" rnu x.ini
golden flag-wrong "$s" run x.ini --dbb y
golden flag-lacks "$s" run x.ini --db
golden operand-lacks "$s" run
golden operand-extra "$s" topology now
golden no-config "$s" plan nowhere.ini
golden no-db "$s" report nowhere.db
golden not-a-db "$s" export two-packages.ini
golden trial-help "$build/scullbench-trial" --help
golden trial-empty "$build/scullbench-trial" < /dev/null
unset HWLOC_SYNTHETIC
# Odd machines: each CPU has its nearest memory, and a matrix can be planned.
for machine in cxl cxl-far hybrid knl memoryless nocores offline snc; do
  export HWLOC_XMLFILE=../data/machines/$machine.xml
  golden machine-$machine "$s" topology
  golden machine-$machine-plan "$s" plan machines.ini
done
echo "$failed wrong"
[ $failed = 0 ]
