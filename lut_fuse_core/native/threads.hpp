// The process's helper threads, shared by all models: several fusers never use more threads than
// the one that asked for most.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace lut_fuse {

// Work that any number of threads may join while it lasts.
class Work {
  public:
    // Called once by each thread that joins; slot is below the number of threads asked for and
    // different for each of them. Must return only when nothing is left to do.
    virtual void join(int slot) = 0;

  protected:
    ~Work() = default;
};

class ThreadTeam {
  public:
    // The team of this process (a forked child gets one of its own).
    static ThreadTeam& instance();

    // Runs work on this thread and on up to threads - 1 helpers that are free, and returns once all
    // have left it. Helpers that wake up late join late; nobody waits for them to wake. If another
    // thread's work has the helpers, this thread does all of it.
    void run(Work& work, int threads);

    // The same step by step, for work that does not wait for a helper that has lost its core. The
    // helpers are this thread's as long as it holds the lock, which owns nothing if another thread
    // has them, or if one is still in work that it was dismissed from.
    std::unique_lock<std::mutex> take();
    void call(Work& work, int helpers);
    // No more of them join. Who has joined leaves when nothing is left to do.
    void dismiss();

    // Whether a helper is in any work, its own caller's or one that it was dismissed from.
    bool busy() const { return inside_.load() > 0; }
    // Returns once no helper is in work that it was dismissed from.
    void settle();

  private:
    void grow(int helpers);
    void serve();
    void wait_for_work(uint64_t& seen);
    void wait_until_left() const;

    std::mutex owner_;  // held by the caller whose work the helpers join
    std::mutex sleep_;
    std::condition_variable wake_;
    std::vector<std::thread> helpers_;
    std::atomic<uint64_t> epoch_{0};
    std::atomic<Work*> work_{nullptr};
    std::atomic<int> inside_{0};
    std::atomic<int> tickets_{0};
    std::atomic<int> sleeping_{0};
};

// A turn of a loop that waits for another thread.
class Spin {
  public:
    // Now and then lets another thread have this core.
    void turn();
    // Never does: with real-time priority the other one may keep it for a tenth of a second.
    static void keep_core();

  private:
    int turns_ = 0;
};

}  // namespace lut_fuse
