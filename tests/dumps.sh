#!/usr/bin/env bash
# The allocators' /proc texts, read as tools read the kernel's: by proc(5)'s columns. What they say agrees.
# usage: dumps.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
dump() { expect 0 "$s" dump "$@"; }

echo "== buddyinfo, pagetypeinfo and zoneinfo tell of the same blocks"
for options in "" "--option nodes=2" "--option dma32=32MiB --option highmem=16MiB --option page_lists=no"; do
  # Of one process: the next may run on another CPU, and leave its pages elsewhere.
  # shellcheck disable=SC2086
  dump buddy --memory 128MiB --workload scullp $options
  awk '/^==> .* <==$/ { file = $2; next } { print > file }' out
  # "Node 0, zone      DMA      1 ..." with 11 orders; free pages of a zone are the blocks times their sizes.
  awk 'NF && ($1 != "Node" || $3 != "zone" || NF != 15) { print "buddyinfo: " $0; exit 1 }
    NF { pages = 0; for (o = 0; o < 11; o++) pages += $(5 + o) * 2 ^ o; printf "%d %s %d\n", $2, $4, pages }' buddyinfo > from-buddyinfo || fail "$(cat from-buddyinfo)"
  awk '$1 == "Node" { node = $2 + 0; zone = $4 } $1 == "pages" && $2 == "free" { free = $3 }
    $1 == "spanned" { if ($2) printf "%d %s %d\n", node, zone, free }' zoneinfo > from-zoneinfo
  diff from-buddyinfo from-zoneinfo || fail "buddyinfo and zoneinfo differ ($options)"
  # "Node    0, zone      DMA, type    Unmovable ...": four types, and their sums are buddyinfo's.
  awk '$5 == "type" { if (NF != 17) { print "pagetypeinfo: " $0; exit 1 } sub(",", "", $4); key = ($2 + 0) " " $4
      for (o = 0; o < 11; o++) pages[key] += $(7 + o) * 2 ^ o; if (!seen[key]++) order[++n] = key; types[key]++ }
    END { for (i = 1; i <= n; i++) { if (types[order[i]] != 4) exit 1; printf "%s %d\n", order[i], pages[order[i]] } }' pagetypeinfo > from-types || fail "$(cat from-types)"
  diff from-buddyinfo from-types || fail "buddyinfo and pagetypeinfo differ ($options)"
  # The second table: as many blocks as the zone spans.
  awk '/^Number of blocks type/ { if (NF != 8) exit 1; table = 1; next } /^Page block order/ { table = 0 }
    table && $3 == "zone" { if (NF != 8) exit 1; printf "%d %s %d\n", $2, $4, $5 + $6 + $7 + $8 }' pagetypeinfo > blocks || fail "the table of page blocks can't be read: $(tail -3 pagetypeinfo)"
  awk '$1 == "Node" { node = $2 + 0; zone = $4 } $1 == "spanned" && $2 { printf "%d %s %d\n", node, zone, ($2 + 511) / 512 }' zoneinfo > spanned
  diff blocks spanned || fail "page blocks are not those that zones span ($options)"
  # Every node has every zone, with or without pages.
  nodes=$(awk '$1 == "Node" { n[$2]++ } END { for (k in n) { if (n[k] != 4) exit 1; c++ } print c }' zoneinfo) || fail "zoneinfo leaves zones out"
  [ "$nodes" = "$(grep -c 'Page block order: 9' pagetypeinfo)" ] || fail "pagetypeinfo isn't printed for each node"
done

echo "== numastat: every block is a hit or a miss, and local or other"
dump buddy --memory 64MiB --option nodes=2 --workload scullp --file numastat
awk 'NR == 1 { if ($1 != "node0" || $2 != "node1") exit 1; next } NF != 3 { exit 1 } { n[$1] = $2 + $3 }
  END { exit !(n["numa_hit"] > 0 && n["numa_hit"] + n["numa_miss"] == n["local_node"] + n["other_node"] && n["numa_miss"] == n["numa_foreign"]) }' out || fail "numastat: $(cat out)"

echo "== slabinfo: 16 columns, and the objects of a cache lie in its slabs"
for plugin in slub slab kmalloc; do
  dump $plugin --workload scullc --file slabinfo
  awk 'NR == 1 { if ($0 != "slabinfo - version: 2.1") exit 1; next } NR == 2 { next }
    NF != 16 || $7 != ":" || $12 != ":" || $8 != "tunables" || $13 != "slabdata" { print; exit 1 }
    $2 > $3 || $14 > $15 || ($15 && $3 != $15 * $5) { print; exit 1 }
    $2 { used++ } END { exit !used }' out || fail "$plugin's slabinfo"
done

echo "== percpu_stats: as debugfs has it"
dump percpu --file percpu_stats
head -1 out | grep -qx "Percpu Memory Statistics" || fail "percpu_stats has another title"
[ "$(grep -cx -e '----------------------------------------' out)" = 3 ] || fail "percpu_stats has other parts"
awk -F: '/^  / && $2 !~ /^ +[0-9]+$/ { exit 1 } /nr_chunks/ { chunks = $2 + 0 } /^Chunk/ { n++ } END { exit chunks != n }' out || fail "percpu_stats: $(cat out)"

conclude
