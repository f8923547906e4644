#!/usr/bin/env bash
# The walls: which room includes which, which file includes which library, what plugins may see.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }

# From the ground floor up; a room includes itself and lower ones.
rooms="base stats metric config topology plugin measure plan trial check store run report cli"
below=" "
for room in $rooms; do
  below="$below$room "
  for include in $(grep -hoE '#include "[a-z]+/' framework/"$room"/*.[ch] | sed 's/.*"//; s#/##' | sort -u); do
    [ "$include" = scullbench ] && continue
    case $below in
      *" $include "*) ;;
      *) fail "$room includes $include, which is a higher room" ;;
    esac
  done
done
for room in framework/*/; do
  case " $rooms include " in
    *" $(basename "$room") "*) ;;
    *) fail "$room is a room that this test doesn't know" ;;
  esac
done

# A library, the one place that may include it.
while read -r header places; do
  for file in $(grep -rlE "#include *[<\"]$header" --include='*.[ch]' framework allocators workloads); do
    case " $places " in
      *" $file "*) ;;
      *) fail "$file includes $header, which belongs to $places alone" ;;
    esac
  done
done <<'EOF'
ini\.h framework/config/ini.c
hwloc framework/topology/tree.h
dlfcn\.h framework/plugin/plugin.c allocators/malloc/malloc.c
perfmon/ framework/measure/pmu_names.c
sqlite3\.h framework/store/store.c
jansson\.h framework/base/json.c
EOF

# Plugins see the public headers, the standard library and their own folder's library.
for file in allocators/*/*.[ch] workloads/*/*.[ch]; do
  for include in $(grep -hoE '#include "[^"]+"' "$file" | sed 's/.*"\(.*\)"/\1/'); do
    case $include in
      scullbench/* | ../mm/*) ;;
      */*) fail "$file includes $include" ;;
    esac
  done
done
echo "$failed wrong"
[ $failed = 0 ]
