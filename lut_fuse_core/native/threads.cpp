#include "threads.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <exception>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace lut_fuse {

namespace {

// How long a helper looks for more work before it sleeps: enough for a loop over frames in memory,
// and less than one percent of a core at 30 frames per second.
constexpr auto kPatience = std::chrono::microseconds(100);

// For how long whoever wants the helpers waits for one that is about to leave its work.
constexpr auto kLeaving = std::chrono::microseconds(20);

}  // namespace

void Spin::keep_core() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

void Spin::turn() {
    // On a busy machine the other thread may need this core.
    if (++turns_ % 512 == 0) {
        sched_yield();
    } else {
        keep_core();
    }
}

ThreadTeam& ThreadTeam::instance() {
    // Never destroyed: helpers may still sleep when the process ends. Threads do not survive a
    // fork, so that a child leaves its parent's team alone and starts one.
    static std::mutex guard;
    static ThreadTeam* team = nullptr;
    static pid_t process = 0;
    const std::lock_guard<std::mutex> lock(guard);
    const pid_t self = getpid();
    if (process != self) {
        team = new ThreadTeam;
        process = self;
    }
    return *team;
}

void ThreadTeam::run(Work& work, int threads) {
    const std::unique_lock<std::mutex> helpers =
        threads < 2 ? std::unique_lock<std::mutex>() : take();
    if (!helpers) return work.join(0);
    call(work, threads - 1);
    work.join(0);
    dismiss();
    wait_until_left();
}

std::unique_lock<std::mutex> ThreadTeam::take() {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner || !busy()) return owner;
    const auto deadline = std::chrono::steady_clock::now() + kLeaving;
    while (busy()) {
        if (std::chrono::steady_clock::now() > deadline) return {};
        Spin::keep_core();
    }
    return owner;
}

void ThreadTeam::call(Work& work, int helpers) {
    grow(helpers);
    tickets_.store(helpers);
    work_.store(&work);
    epoch_.fetch_add(1);
    if (sleeping_.load() > 0) {
        // The lock orders this after a helper's last look at the epoch before it sleeps.
        { const std::lock_guard<std::mutex> lock(sleep_); }
        wake_.notify_all();
    }
}

void ThreadTeam::dismiss() { work_.store(nullptr); }

void ThreadTeam::settle() {
    const std::lock_guard<std::mutex> owner(owner_);
    wait_until_left();
}

void ThreadTeam::wait_until_left() const {
    for (Spin spin; busy();) spin.turn();
}

void ThreadTeam::grow(int helpers) {
    if (static_cast<int>(helpers_.size()) >= helpers) return;
    // Helpers inherit that they take no signals, which are for the program's own threads, but for
    // those of their own faults: blocked, these would end the process without a word.
    sigset_t all, before;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        while (static_cast<int>(helpers_.size()) < helpers) {
            helpers_.emplace_back([this] { serve(); });
        }
    } catch (const std::exception&) {
        // No more threads or memory to be had: the threads there are do the work.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ThreadTeam::serve() {
    uint64_t seen = 0;
    for (;;) {
        wait_for_work(seen);
        // Inside first, then the work: the caller withdraws the work first, then looks inside.
        inside_.fetch_add(1);
        Work* work = work_.load();
        if (work) {
            const int slot = tickets_.fetch_sub(1);
            if (slot > 0) work->join(slot);
        }
        inside_.fetch_sub(1);
    }
}

void ThreadTeam::wait_for_work(uint64_t& seen) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (epoch_.load() == seen) {
        for (int i = 0; i < 64 && epoch_.load(std::memory_order_relaxed) == seen; ++i) Spin::keep_core();
        if (std::chrono::steady_clock::now() < deadline) continue;
        std::unique_lock<std::mutex> lock(sleep_);
        sleeping_.fetch_add(1);
        wake_.wait(lock, [&] { return epoch_.load() != seen; });
        sleeping_.fetch_sub(1);
    }
    seen = epoch_.load();
}

}  // namespace lut_fuse
