#!/usr/bin/env bash
# docs/ldd3.md's table "The chapter, line by line": every command is run, and shows what its row says. Every name of the
# chapter's quick reference has a row.
# usage: ldd3.sh BUILD
set -u
. "$(dirname "$0")/lib.sh"
[ "$sanitized" = 0 ] || { echo "skipped: the commands are the documents' matter, and slow with sanitizers"; exit 77; }
source=$tests/..
ln -s "$source/configs" configs
rows=0
while IFS= read -r row; do
  # Cells are split at bars that no backslash escapes.
  IFS=$'\x1f' read -r _ name _ command shows _ <<< "$(sed -e 's/\\|/\x1e/g' -e 's/|/\x1f/g' <<< "$row")"
  command=$(sed -n 's/^ *`scullbench \(.*\)` *$/\1/p' <<< "${command//$'\x1e'/|}")
  shows=$(sed -n 's/^ *`\(.*\)` *$/\1/p' <<< "$shows")
  [ -n "$command" ] || { fail "the row of $name has no command"; continue; }
  rows=$((rows + 1))
  [ -n "$shows" ] || fail "the row of $name doesn't say what its command shows"
  # No word of it has a blank, so it needs no quotes.
  read -ra words <<< "$command"
  expect 0 "$s" "${words[@]}"
  grep -qF -- "$shows" out || { fail "$name: 'scullbench $command' doesn't show '$shows'"; head -5 out; }
done < <(sed -n '/^## The chapter, line by line/,$p' "$source/docs/ldd3.md" | grep '^|' | tail -n +3)
[ $rows -ge 50 ] || fail "only $rows rows have a command"

table=$(sed -n '/^## The chapter, line by line/,$p' "$source/docs/ldd3.md" | cut -d'|' -f2 | tr -d '\\')
for name in kmalloc kfree GFP_USER GFP_KERNEL GFP_NOFS GFP_NOIO GFP_ATOMIC GFP_HIGHUSER __GFP_DMA __GFP_HIGHMEM __GFP_COLD \
  __GFP_NOWARN __GFP_HIGH __GFP_REPEAT __GFP_NOFAIL __GFP_NORETRY kmem_cache_create kmem_cache_destroy SLAB_NO_REAP \
  SLAB_HWCACHE_ALIGN SLAB_CACHE_DMA SLAB_CTOR_ATOMIC SLAB_CTOR_CONSTRUCTOR kmem_cache_alloc kmem_cache_free slabinfo \
  mempool_create mempool_destroy mempool_alloc mempool_free get_zeroed_page __get_free_page __get_free_pages get_order \
  free_page free_pages alloc_pages_node alloc_pages alloc_page __free_page __free_pages free_hot_page free_cold_page vmalloc \
  vfree ioremap iounmap DEFINE_PER_CPU DECLARE_PER_CPU EXPORT_PER_CPU_SYMBOL per_cpu get_cpu_var put_cpu_var alloc_percpu \
  __alloc_percpu free_percpu get_cpu put_cpu per_cpu_ptr alloc_bootmem alloc_bootmem_low free_bootmem kmap mempool_resize destructor mmap scullp_order; do
  grep -qw -- "$name" <<< "$table" || fail "the table has no row of $name"
done
echo "$rows commands"
conclude
