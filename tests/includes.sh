#!/usr/bin/env bash
# The walls: which room includes which, which file includes which library, what plugins may see.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }

# framework/rooms has the rooms from the ground floor up, each with the lower rooms that it includes.
rooms=$(grep '^[a-z]' framework/rooms)
below=" "
while read -r room listed; do
  included=$(grep -hoE '^#include "[a-z]+/' framework/"$room"/*.[ch] | sed 's/.*"//; s#/##' | grep -vx "$room\|scullbench" | sort -u)
  for include in $included; do
    case $below in
      *" $include "*) ;;
      *) fail "$room includes $include, which is no lower room" ;;
    esac
  done
  listed=$(tr ' ' '\n' <<< "$listed" | sed '/^$/d' | sort -u)
  [ "$listed" = "$included" ] ||
    fail "framework/rooms says that $room includes $(paste -sd' ' <<< "$listed"); it includes $(paste -sd' ' <<< "$included")"
  below="$below$room "
done <<< "$rooms"
for room in framework/*/; do
  case "$below include " in
    *" $(basename "$room") "*) ;;
    *) fail "$room is a room that framework/rooms doesn't know" ;;
  esac
done
# The documents draw the same.
drawn=$(sed -n '/^<!-- rooms -->$/,/^<!-- end of rooms -->$/p' docs/architecture.md | grep '^    [a-z]' | sed 's/^    //')
[ "$drawn" = "$rooms" ] || fail "docs/architecture.md draws other rooms than framework/rooms: copy its lines"

# No circle among files. NAME.c and NAME.h are one; a header without a .c stands for what it includes itself. Files that
# call each other by nature share an internal header, which says so.
edges() { # lines "FILE INCLUDE" and "FILE" to the units' edges
  awk '
    function unit(f) { sub(/\.[ch]$/, "", f); return f }
    function targets(file, from,   i, to) {
      for (i = 1; i <= n[file]; i++) {
        to = includes[file, i]
        if ((unit(to) ".c") in known) { if (unit(to) != from) print from, unit(to) }
        else targets(to, from)
      }
    }
    { known[$1]; if (NF > 1) raw[++lines] = $0 }
    END {
      for (l = 1; l <= lines; l++) {
        split(raw[l], w)
        dir = w[1]; sub(/[^\/]*$/, "", dir)
        path = dir w[2]
        while (sub(/[^\/]+\/\.\.\//, "", path)) { }
        if (("framework/" w[2]) in known) path = "framework/" w[2]
        if (path in known) includes[w[1], ++n[w[1]]] = path
      }
      for (file in known) if ((unit(file) ".c") in known) targets(file, unit(file))
    }'
}
files=$(ls framework/*/*.[ch] allocators/*/*.[ch] workloads/*/*.[ch])
# shellcheck disable=SC2086
circle=$({ echo "$files"; grep -oE '^#include "[^"]+"' $files | sed 's/:#include "\(.*\)"/ \1/'; } | edges | sort -u |
  tsort 2>&1 > /dev/null | grep -v 'loop:' | sed 's/^tsort: //' | paste -sd' ')
[ -z "$circle" ] || fail "files include each other in a circle: $circle"

# A library, the one place that may include it.
while read -r header places; do
  for file in $(grep -rlE "#include *[<\"]$header" --include='*.[ch]' framework allocators workloads recorder); do
    case " $places " in
      *" $file "*) ;;
      *) fail "$file includes $header, which belongs to $places alone" ;;
    esac
  done
done <<'EOF'
ini\.h framework/config/ini.c
hwloc framework/topology/tree.h
dlfcn\.h framework/plugin/plugin.c allocators/malloc/malloc.c recorder/record.c
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
