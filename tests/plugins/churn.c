/*
 * churn THREADS N [kill|abort]: a program to be recorded, which knows what it asks for. Each thread allocates N blocks
 * of 70000 bytes, reallocates each to 90000, and hands it to the next thread, which frees it. Beside them it makes N
 * calls of calloc and of aligned_alloc and frees what they gave. `kill` and `abort` end it by SIGKILL and SIGABRT then.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 16 };
static _Atomic(void *) mailbox[MOST];
static unsigned threads, n;

static void *work(void *argument)
{
    unsigned i = (unsigned)(size_t)argument, sent = 0, got = 0;
    while (sent < n || got < n) {
        void *none = NULL, *block = atomic_exchange(&mailbox[i], NULL);
        if (block) {
            free(block);
            got++;
        }
        if (sent == n)
            continue;
        char *mine = malloc(70000);
        mine[0] = 'x';
        mine = realloc(mine, 90000);
        if (mine[0] != 'x')
            abort();
        while (!atomic_compare_exchange_strong(&mailbox[(i + 1) % threads], &none, mine)) {
            none = NULL;
            if ((block = atomic_exchange(&mailbox[i], NULL))) {
                free(block);
                got++;
            }
        }
        sent++;
        free(calloc(1, 600));
        free(aligned_alloc(4096, 8192));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t started[MOST];
    if (argc < 3)
        return 2;
    threads = (unsigned)atoi(argv[1]);
    n = (unsigned)atoi(argv[2]);
    if (threads < 1 || threads > MOST)
        return 2;
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&started[i], NULL, work, (void *)(size_t)i);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(started[i], NULL);
    if (argc > 3 && !strcmp(argv[3], "kill"))
        raise(SIGKILL);
    if (argc > 3 && !strcmp(argv[3], "abort")) {
        fprintf(stderr, "churn: the last words\n");
        abort();
    }
    return 0;
}
