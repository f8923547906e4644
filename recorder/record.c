/*
 * libscullbench-record.so: preloaded (LD_PRELOAD), it writes down what a program asks of malloc.
 *
 * SCULLBENCH_RECORD is a path; each process writes the file PATH followed by its number, made at its first call; a
 * child's first call makes one as well. What the program does to our descriptor or its number touches neither it nor
 * us. The format is struct sb_record's (scullbench/trace.h), in chunks of one thread each that are mapped: nothing is
 * lost when the process is killed or ends by _exit. Without the variable, or where a file can't be had, calls pass
 * through.
 *
 * The functions behind are the next ones in the order of search, so a malloc library preloaded behind this one is
 * recorded as well, but for operators new and delete of its own. What such a function calls itself is not recorded.
 * Each call costs two readings of the clock at most; calls take no lock but where a thread needs a new chunk.
 */
#define _GNU_SOURCE
#include "scullbench/trace.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t n, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    void *(*memalign)(size_t align, size_t size);
    int (*posix_memalign)(void **block, size_t align, size_t size);
} real;

/* What dlsym asks for before there is a malloc; never freed. */
static _Alignas(16) char early[65536];
static atomic_size_t early_used;

enum { UNKNOWN, OFF, ON };
static atomic_int state;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = -1;
static struct stat file_as; /* what our descriptor is, for a program may close it and be given its number again */
static char path_of_file[4096 + 32];
static off_t file_end;
static uint32_t threads;
static char prefix[4096];
static pthread_key_t thread_end;

/* Initial-exec: what asks for thread-local storage must not need malloc. */
#define OWN static _Thread_local __attribute__((tls_model("initial-exec")))
OWN struct sb_recording_chunk *chunk;
OWN struct sb_record *records; /* the chunk's */
OWN uint32_t thread_number, in_call, generation;
static atomic_uint generations = 1; /* a child's is another than its parent's */
static uint32_t *alive;             /* 0 in a child, however it was made, until it has been noticed */

static bool is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof(early);
}

static void *take_early(size_t size)
{
    size_t at = atomic_fetch_add(&early_used, (size + 15) / 16 * 16);
    return at + size <= sizeof(early) ? early + at : NULL;
}

/* ---- the file ---- */

static void *map_at(off_t at)
{
    void *p = mmap(NULL, SB_RECORDING_CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, file, at);
    if (p == MAP_FAILED)
        return NULL;
    /* One call in place of a fault for each page; kernels older than 5.14 don't know it, and then they fault. A page
       that can't be had must not be found out by the program. */
    if (madvise(p, SB_RECORDING_CHUNK, MADV_POPULATE_WRITE) && errno != EINVAL) {
        munmap(p, SB_RECORDING_CHUNK);
        return NULL;
    }
    madvise(p, SB_RECORDING_CHUNK, MADV_DONTFORK);
    return p;
}

static bool is_ours(int fd)
{
    struct stat s;
    return fd >= 0 && !fstat(fd, &s) && s.st_dev == file_as.st_dev && s.st_ino == file_as.st_ino;
}

/* Opened again where the program has closed it; nothing of what has the number now is touched. */
static bool have_file(void)
{
    if (is_ours(file))
        return true;
    file = open(path_of_file, O_RDWR | O_CLOEXEC);
    return is_ours(file);
}

/* One chunk longer, with its room on the disk where the file system can say so; no signal for what is too long. */
static bool grow_file(void)
{
    struct rlimit most;
    off_t end = file_end + SB_RECORDING_CHUNK;
    if (!getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur != RLIM_INFINITY && (rlim_t)end > most.rlim_cur)
        return false;
    if (fallocate(file, 0, file_end, SB_RECORDING_CHUNK) &&
        ((errno != EOPNOTSUPP && errno != ENOSYS) || ftruncate(file, end)))
        return false;
    file_end = end;
    return true;
}

/* The name of the program, as /proc/self/comm has it, or what exec was given. */
static void name_program(char *name, size_t size)
{
    const char *slash = strrchr(program_invocation_name, '/'), *from = slash ? slash + 1 : program_invocation_name;
    for (size_t i = 0; i + 1 < size && from[i]; i++)
        name[i] = from[i];
}

/* Under the lock. */
static bool open_file(void)
{
    enum { MOST_TRIES = 1000 };
    struct sb_recording_head *head;
    int fd = -1;
    /* Numbers of processes come again, and are not one machine's alone: a recording that is there stays. */
    for (int i = 1; fd < 0 && i < MOST_TRIES; i++) {
        snprintf(path_of_file, sizeof(path_of_file), i > 1 ? "%s%d-%d" : "%s%d", prefix, (int)getpid(), i);
        fd = open(path_of_file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 && errno != EEXIST)
            return false;
    }
    if (fd < 0)
        return false;
    /* Out of the way of programs that close or expect the low numbers. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    file = fd;
    file_end = 0;
    if (fstat(file, &file_as) || !grow_file() || !(head = map_at(0)))
        return false;
    memcpy(head->magic, SB_RECORDING_MAGIC, sizeof(head->magic));
    head->version = SB_TRACE_VERSION;
    head->pid = (uint32_t)getpid();
    name_program(head->program, sizeof(head->program));
    munmap(head, SB_RECORDING_CHUNK);
    return true;
}

/* Into the first chunk, whose room is there. */
static void note_end(void)
{
    const uint32_t cut_off = 1;
    if (is_ours(file) && pwrite(file, &cut_off, sizeof(cut_off), offsetof(struct sb_recording_head, cut_off)) < 0)
        return;
}

static void give_chunk_back(void *unused)
{
    (void)unused;
    if (chunk && generation == generations)
        munmap(chunk, SB_RECORDING_CHUNK);
    chunk = NULL;
}

/* False: nothing is recorded any more. */
static bool take_chunk(void)
{
    bool first = !chunk || generation != generations;
    pthread_mutex_lock(&lock);
    const int before = errno;
    bool good = state == ON && (file_as.st_ino ? have_file() : open_file());
    if (good && first)
        thread_number = threads++;
    /* A parent's is not mapped in its child: what lies there is somebody else's. */
    if (chunk && !first)
        munmap(chunk, SB_RECORDING_CHUNK);
    chunk = NULL;
    if (good && grow_file())
        chunk = map_at(file_end - SB_RECORDING_CHUNK);
    if (!chunk) {
        state = OFF;
        note_end();
    }
    pthread_mutex_unlock(&lock);
    errno = before;
    if (!chunk)
        return false;
    chunk->thread = thread_number;
    records = (struct sb_record *)(void *)(chunk + 1);
    generation = generations;
    if (first)
        pthread_setspecific(thread_end, chunk);
    return true;
}

/* ---- records ---- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Two processes must not write into one file: a child's first call makes its own. It has one thread. */
static void be_child(void)
{
    generations++;
    if (is_ours(file))
        close(file);
    file = -1;
    file_as = (struct stat){0};
    threads = 0;
    pthread_mutex_init(&lock, NULL);
    *alive = 1;
}

static void note(enum sb_recorded operation, const void *address, size_t size, size_t align, bool zero)
{
    if (__builtin_expect(!*alive, 0))
        be_child();
    if (!chunk || generation != generations || chunk->n >= SB_RECORDS_IN_CHUNK) {
        in_call++;
        bool good = take_chunk();
        in_call--;
        if (!good)
            return;
    }
    records[chunk->n] = (struct sb_record){.time_ns = now_ns(),
                                           .address = (uintptr_t)address,
                                           .size = size,
                                           .operation = (uint8_t)operation,
                                           .zero = zero,
                                           .align = (uint8_t)(align ? __builtin_ctzll(align) : 0)};
    /* The record is whole before it counts: the process may be killed in between. */
    __atomic_store_n(&chunk->n, chunk->n + 1, __ATOMIC_RELEASE);
}

/* ---- beginning ---- */

static void look_up(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof(symbol));
}

static void begin(void)
{
    /* The first call of a process is made before it has threads. */
    state = OFF;
    in_call++;
    look_up(&real.malloc, "malloc");
    look_up(&real.calloc, "calloc");
    look_up(&real.realloc, "realloc");
    look_up(&real.free, "free");
    look_up(&real.memalign, "memalign");
    look_up(&real.posix_memalign, "posix_memalign");
    const char *path = getenv("SCULLBENCH_RECORD");
    bool wanted = path && *path && strlen(path) < sizeof(prefix);
    if (wanted) {
        memcpy(prefix, path, strlen(path) + 1);
        void *page = mmap(NULL, SB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        wanted = page != MAP_FAILED && !madvise(page, SB_PAGE_SIZE, MADV_WIPEONFORK) &&
                 !pthread_key_create(&thread_end, give_chunk_back);
        alive = page;
        if (wanted)
            *alive = 1;
    }
    in_call--;
    state = wanted ? ON : OFF;
}

/* Whether this call is to be recorded; the real functions are there afterwards, but within dlsym. */
static inline bool enter(void)
{
    if (state == UNKNOWN && !in_call)
        begin();
    return state == ON && !in_call++;
}

static inline void leave(void)
{
    in_call--;
}

/* ---- the functions ---- */

SB_EXPORT void *malloc(size_t size)
{
    bool recorded = enter();
    void *block = real.malloc ? real.malloc(size) : take_early(size);
    if (recorded) {
        note(SB_RECORDED_ALLOC, block, size, 0, false);
        leave();
    }
    return block;
}

SB_EXPORT void *calloc(size_t n, size_t size)
{
    size_t all;
    bool recorded = enter();
    void *block = real.calloc ? real.calloc(n, size) : !__builtin_mul_overflow(n, size, &all) ? take_early(all) : NULL;
    if (recorded) {
        note(SB_RECORDED_ALLOC, block, n * size, 0, true);
        leave();
    }
    return block;
}

SB_EXPORT void free(void *block)
{
    if (is_early(block))
        return;
    bool recorded = enter();
    if (recorded) {
        note(SB_RECORDED_FREE, block, 0, 0, false);
        leave();
    }
    if (real.free)
        real.free(block);
}

/* Nobody else may be given the old address between a free that is not recorded yet and its record. */
static void *move_block(void *block, size_t size)
{
    if (block && size)
        note(SB_RECORDED_REALLOC, block, 0, 0, false);
    else if (block)
        note(SB_RECORDED_FREE, block, 0, 0, false);
    void *moved = real.realloc(block, size);
    if (block && size)
        note(SB_RECORDED_MOVED, moved, size, 0, false);
    else if (moved)
        note(SB_RECORDED_ALLOC, moved, size, 0, false);
    return moved;
}

SB_EXPORT void *realloc(void *block, size_t size)
{
    if (is_early(block)) {
        /* What is behind it is there to be read, too. */
        size_t room = (size_t)(early + sizeof(early) - (char *)block);
        void *moved = malloc(size);
        if (moved)
            memcpy(moved, block, size < room ? size : room);
        return moved;
    }
    if (!enter())
        return real.realloc ? real.realloc(block, size) : take_early(size);
    void *moved = move_block(block, size);
    leave();
    return moved;
}

SB_EXPORT void *reallocarray(void *block, size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, all);
}

SB_EXPORT void *memalign(size_t align, size_t size)
{
    bool recorded = enter();
    void *block = real.memalign(align, size);
    if (recorded) {
        note(SB_RECORDED_ALLOC, block, size, align, false);
        leave();
    }
    return block;
}

SB_EXPORT void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

SB_EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    bool recorded = enter();
    int status = real.posix_memalign(block, align, size);
    if (recorded) {
        if (!status)
            note(SB_RECORDED_ALLOC, *block, size, align, false);
        leave();
    }
    return status;
}

SB_EXPORT void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

SB_EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all;
    if (__builtin_add_overflow(size, page - 1, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return memalign(page, all / page * page);
}
