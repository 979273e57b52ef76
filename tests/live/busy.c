/* Eight threads that do nothing but compute, for a second and a half. Says on how many processors they were seen. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_ulong seen;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void *spin(void *end)
{
    while (now_s() < *(double *)end)
        atomic_fetch_or(&seen, 1UL << sched_getcpu() % 64);
    return NULL;
}

int main(void)
{
    double end = now_s() + 1.5;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(threads + i, NULL, spin, &end);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", __builtin_popcountl(seen));
    return 0;
}
