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

    // Runs work on this thread and on up to threads - 1 helpers that are free. Helpers that wake
    // up late join late; nobody waits for them. If another thread's work has the helpers, this
    // thread does all of it.
    void run(Work& work, int threads);

  private:
    void grow(int helpers);
    void serve();
    void wait_for_work(uint64_t& seen);

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
    void turn();

  private:
    int turns_ = 0;
};

}  // namespace lut_fuse
