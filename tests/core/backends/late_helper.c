/* Memory whose reading holds up threads other than the main one, until they are released: a helper
   that loses its core in the middle of its work, at a moment that is certain.

   The pages cannot be read at first. Who reads them faults: another thread than the main one stays
   in the handler until `release`; the main thread waits there until such a one is held, then makes
   the pages readable and goes on. It also goes on after two seconds: a helper that had to wait for the
   main thread has left, and comes back with the next frame only. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint8_t *pages;
static size_t length;
static atomic_int waiting, released;

int held(void) { return atomic_load(&waiting); }

void release(void) { atomic_store(&released, 1); }

static time_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    const uint8_t *at = info->si_addr;
    if (at < pages || at >= pages + length) {
        signal(number, SIG_DFL);
        return;
    }
    if (syscall(SYS_gettid) != getpid()) {
        atomic_fetch_add(&waiting, 1);
        while (!atomic_load(&released)) sched_yield();
        atomic_fetch_sub(&waiting, 1);
    } else {
        const time_t end = seconds() + 2;
        while (!atomic_load(&waiting) && seconds() < end) sched_yield();
    }
    mprotect(pages, length, PROT_READ | PROT_WRITE);
}

/* So many bytes, which can be written until `arm`. */
void *allocate(size_t bytes) {
    length = bytes;
    pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages;
}

void arm(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    atomic_store(&released, 0);
    mprotect(pages, length, PROT_NONE);
}
