/* A job of the chaos test, which writes down what becomes of it, one line with one write(2) each, into records/INDEX:
 *
 *     began ATTEMPT JOB TIME, runaway PID 0 0, ends CODE 0 TIME   (CODE is negative for a signal; TIME in microseconds)
 *
 * usage: chaos INDEX KIND NUMBER; of an element of an array, +INDEX is counted from its element 0
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char path[64];

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(const char *what, long first, long second)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%s %ld %ld %ld\n", what, first, second, now_us());
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || write(file, line, size) != size)
        _exit(99);
    close(file);
}

static void end(int code)
{
    note("ends", code, 0);
    _exit(code);
}

static void nap_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left))
        ;
}

/* Leave a process behind: in a session of its own, its parent gone. */
static void run_away(int is_deaf)
{
    int ready[2];
    char byte;
    if (pipe(ready))
        _exit(98);
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            if (is_deaf)
                signal(SIGTERM, SIG_IGN);
            note("runaway", getpid(), 0);
            close(ready[0]);
            close(ready[1]);
            for (;;)
                pause();
        }
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1)) /* until both ends are closed */
        _exit(97);
}

static void write_much(long kib)
{
    char block[1024];
    memset(block, 'x', sizeof block);
    while (kib-- > 0)
        if (write(1, block, sizeof block) != sizeof block)
            end(96);
}

static void eat(long mib)
{
    while (mib-- > 0) {
        char *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            end(95);
        memset(block, 1, 1 << 20);
        nap_ms(2);
    }
    for (;;)
        pause();
}

int main(int count, char **words)
{
    struct rlimit none = {0, 0};
    const char *kind = words[2], *attempt = getenv("JOBD_ATTEMPT"), *job = getenv("JOBD_JOB_ID");
    const char *element = getenv("SLURM_ARRAY_TASK_ID");
    long number = atol(words[3]);
    (void)count;
    setrlimit(RLIMIT_CORE, &none);
    if (words[1][0] == '+' && element)
        snprintf(path, sizeof path, "records/%ld", atol(words[1] + 1) + atol(element));
    else
        snprintf(path, sizeof path, "records/%s", words[1]);
    if (!strcmp(kind, "deaf"))
        signal(SIGTERM, SIG_IGN);
    note("began", atol(attempt ? attempt : "0"), atol(job ? job : "0"));
    if (!strcmp(kind, "exit"))
        end(number);
    if (!strcmp(kind, "signal")) {
        note("ends", -number, 0);
        raise(number);
    }
    if (!strcmp(kind, "fork") || !strcmp(kind, "deaf-fork")) {
        run_away(kind[0] == 'd');
        end(number);
    }
    if (!strcmp(kind, "nap")) {
        nap_ms(number);
        end(number % 100);
    }
    if (!strcmp(kind, "write")) {
        write_much(number);
        end(0);
    }
    if (!strcmp(kind, "retry"))
        end(atol(attempt) < number ? 3 : 0);
    if (!strcmp(kind, "eat"))
        eat(number);
    for (;;) /* sleep, deaf */
        pause();
}
