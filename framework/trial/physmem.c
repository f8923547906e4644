/*
 * The memory file. A file, not anonymous memory, so that vmalloc can map its pages a second time. Aligned
 * to the largest block, so that a block's alignment by page number is one by address too.
 */
#define _GNU_SOURCE
#include "trial/physmem.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define ALIGNMENT (UINT64_C(4) << 20)

int sb_physmem_make_file(enum sb_pages_kind pages)
{
    /* Of huge pages there must be enough in the OS's pool, which only root fills. */
    unsigned flags = MFD_CLOEXEC | (pages == SB_PAGES_2MIB ? MFD_HUGETLB | MFD_HUGE_2MB : 0U);
    int fd = memfd_create(SB_PHYSMEM_NAME, flags);
    return fd >= 0 ? fd : -errno;
}

/* A given one has at least what is present. */
static int size_file(struct sb_physmem *memory, uint64_t present, char **why)
{
    if (memory->fd >= 0 && (memory->size <= present || !ftruncate(memory->fd, (off_t)memory->size)))
        return 0;
    int status = memory->fd < 0 ? memory->fd : -errno;
    *why = sb_printf("the memory file of %llu MiB can't be made: %s", (unsigned long long)(memory->size >> 20),
                     strerror(-status));
    return status;
}

static int map_file(struct sb_physmem *memory, enum sb_pages_kind pages, char **why)
{
    /* Reserved with room to spare, then mapped where the alignment is right. */
    char *space = mmap(NULL, memory->size + ALIGNMENT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space != MAP_FAILED) {
        char *at = (char *)(((uintptr_t)space + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
        memory->base = mmap(at, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory->fd, 0);
        if (memory->base != MAP_FAILED) {
            /* What isn't covered goes back: nothing of the host's may lie beside the memory and be taken
               for it. */
            munmap(space, (size_t)(at - space));
            munmap(at + memory->size, ALIGNMENT - (size_t)(at - space));
            return 0;
        }
    }
    int status = -errno;
    memory->base = NULL;
    *why = pages == SB_PAGES_2MIB
               ? sb_printf("%llu huge pages of 2 MiB can't be had (%s): "
                           "`echo %llu > /proc/sys/vm/nr_hugepages` as root, or choose another value for pages",
                           (unsigned long long)(memory->size >> 21), strerror(-status),
                           (unsigned long long)(memory->size >> 21))
               : sb_printf("the memory file can't be mapped: %s", strerror(-status));
    return status;
}

static void want_thp(struct sb_physmem *memory)
{
    char *line = sb_read_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    /* madvise succeeds where the setting forbids it: only the setting tells. */
    bool possible = line && !strstr(line, "[never]") && !strstr(line, "[deny]");
    if (madvise(memory->base, memory->size, MADV_HUGEPAGE) || !possible)
        memory->warning = sb_printf("pages = thp: the OS gives shared memory no huge pages (shmem_enabled is %s); "
                                    "`echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled` as root",
                                    line ? line : "unreadable");
    free(line);
}

/* MADV_POPULATE_WRITE (Linux 5.14) says when memory runs short; touching would be a SIGBUS. */
static int prefault(const struct sb_physmem *memory, char **why)
{
    volatile char *base = memory->base;
    if (!base)
        return -ENOMEM;
    if (!madvise(memory->base, memory->size, MADV_POPULATE_WRITE))
        return 0;
    /* An older kernel: touched page by page, and a shortage kills the trial, which is told as that. */
    if (errno == EINVAL) {
        for (uint64_t at = 0; at < memory->size; at += 4096)
            base[at] = 0;
        return 0;
    }
    int status = -errno;
    *why = sb_printf("the machine can't give %llu MiB for [machine] memory: %s",
                     (unsigned long long)(memory->size >> 20), strerror(errno));
    return status;
}

/*
 * Every allocator finds zeroes, whoever ran before. Written by the kernel, through its own mapping: the first
 * touch of each page through ours costs microseconds under hypervisors that shadow page tables.
 */
static void clear(const struct sb_physmem *memory, uint64_t bytes)
{
    enum { PAGE = 4096, PAGES = 256 };
    static const char zeroes[PAGE];
    struct iovec parts[PAGES];
    uint64_t done = 0;
    for (size_t i = 0; i < PAGES; i++)
        parts[i] = (struct iovec){(void *)zeroes, PAGE};
    while (done < bytes) {
        ssize_t n = pwritev(memory->fd, parts, PAGES, (off_t)done);
        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    /* Files of huge pages can't be written to. */
    if (done < bytes)
        memset((char *)memory->base + done, 0, bytes - done);
}

/*
 * On a machine of several nodes each that CPUs are nearest to gets its part, as the model divides memory:
 * nodes are ranges of it, in whole largest blocks. Where the OS doesn't let us bind to all of them, or the
 * model can't have so many, it is one node, bound to none, with a warning.
 */
static void spread(struct sb_physmem *memory, const struct sb_topology *topology)
{
    unsigned nodes[SB_PHYSMEM_MOST_NODES];
    size_t n = sb_topology_local_nodes(topology, nodes, SB_COUNT(nodes));
    uint64_t share = n ? memory->size / n & ~(ALIGNMENT - 1) : 0;
    char *why = NULL;
    if (n < 2)
        return;
    if (n > SB_COUNT(nodes))
        why = sb_printf("the models have %zu nodes at most", SB_COUNT(nodes));
    else if (!share)
        why = sb_printf("each would have less than %llu MiB", (unsigned long long)(ALIGNMENT >> 20));
    for (size_t i = 0; i < n && !why; i++) {
        char *location = sb_printf("numa:%u", nodes[i]);
        sb_topology_bind_memory(topology, (char *)memory->base + i * share,
                                i + 1 < n ? share : memory->size - i * share, location, &why);
        free(location);
    }
    if (why) {
        sb_topology_unbind_memory(topology, memory->base, memory->size);
        char *before = memory->warning;
        memory->warning = sb_printf("%s%sthe memory is not spread over the machine's %zu NUMA nodes: %s",
                                    before ? before : "", before ? "; " : "", n, why);
        free(before);
    } else {
        memory->nr_nodes = (unsigned)n;
    }
    free(why);
}

int sb_physmem_open(struct sb_physmem *memory, const union sb_value *machine, struct sb_physmem_given given,
                    const struct sb_topology *topology, char **why)
{
    enum sb_pages_kind pages = (enum sb_pages_kind)machine[SB_MACHINE_PAGES].u;
    /* No memory at all is a state that close() can be called in. */
    *memory = (struct sb_physmem){.fd = -1, .size = machine[SB_MACHINE_MEMORY].u, .nr_nodes = 1};
    int status = 0;
    if (!memory->size) {
        *why = sb_printf("[machine] memory = auto is for configs: a trial's text has a size");
        return -EINVAL;
    }
    if (memory->size % ALIGNMENT) {
        *why = sb_printf("[machine] memory is not a multiple of 4MiB");
        return -EINVAL;
    }
    memory->fd = given.fd ? given.fd : sb_physmem_make_file(pages);
    status = size_file(memory, given.present, why);
    /* What a plugin starts has no business with it. */
    if (!status)
        fcntl(memory->fd, F_SETFD, FD_CLOEXEC);
    if (!status)
        status = map_file(memory, pages, why);
    if (!status && pages == SB_PAGES_THP)
        want_thp(memory);
    if (!status)
        status = sb_topology_bind_memory(topology, memory->base, memory->size, machine[SB_MACHINE_NODE].s, why);
    if (!status && !strcmp(machine[SB_MACHINE_NODE].s, "any"))
        spread(memory, topology);
    if (!status && machine[SB_MACHINE_PREFAULT].u)
        status = prefault(memory, why);
    if (!status)
        clear(memory, given.present < memory->size ? given.present : memory->size);
    if (status)
        sb_physmem_close(memory);
    return status;
}

void sb_physmem_close(struct sb_physmem *memory)
{
    if (memory->base)
        munmap(memory->base, memory->size);
    if (memory->fd >= 0)
        close(memory->fd);
    free(memory->warning);
    *memory = (struct sb_physmem){.fd = -1};
}
