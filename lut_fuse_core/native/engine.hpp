// Fuses a frame on one thread or several: buffers, order of work.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "model.hpp"
#include "threads.hpp"

namespace lut_fuse {

// The frame is worked on in quads: four rows of the encoder's grid. A stage (pooling, each
// convolution, look-up) of a quad needs the stage before of the quad and of its two neighbors.
// The stages follow one another down the image at a distance of a few quads, so that what one
// writes is still in the cache when the next reads it, and the planes between them are rings of a
// few quads. All threads take items from one list in that order; an item waits for those it needs,
// which always stand before it.
//
// A thread may lose its core in the middle of an item, for a tenth of a second where real-time
// processes contend. Who waits for it does so for about half as long as the caller would take
// alone, then gives the frame up. A helper that goes on later does so in memory that nothing uses
// before it has left; only the caller's images are shared. It reads them, and of the result it
// writes a row after the other, each after a look at whether the frame was given up.
class Engine final : private Work {
  public:
    // What became of a frame: the helpers were with other work, or one of them was late. Then the
    // result is not there, and with kLate a helper may be reading the images until `late` says no.
    enum Outcome { kDone, kTaken, kLate };

    // model: as it is when `fuse` is called; must outlive the engine.
    Engine(const Model& model, int threads, const Kernels& kernels);
    ~Engine();

    // Alone, always kDone.
    Outcome fuse(const LutFuseFrame& frame);

    bool late() const;
    const int64_t* times() const { return times_; }

  private:
    struct Item {
        int stage, quad;
    };

    // What one thread writes to.
    struct Worker {
        Buffer memory;
        FeatureRows rows{};
        float* scratch = nullptr;  // of a convolution
        uint8_t* fused = nullptr;  // a row of the result, until it is delivered
        std::atomic<bool> delivering{false};
        int64_t times[LUT_FUSE_STAGES] = {};
    };

    int hidden_count() const { return static_cast<int>(model_.blocks.size()) - 1; }
    int context_stage() const { return hidden_count() + 1; }
    int look_up_stage() const { return hidden_count() + 2; }

    const Kernels& kernels_for(int width) const;
    void prepare(int height, int width);
    void prepare_planes();
    void prepare_worker(Worker& worker, int width) const;
    void list_items();

    void begin(const LutFuseFrame& frame);
    Outcome fuse_together(const LutFuseFrame& frame);
    void join(int slot) override;
    // These return false if the frame was given up.
    bool wait_for(const Item& item, int slot);
    bool wait_for_quads(int stage, int first, int last, int slot);
    bool wait_until_done(const std::atomic<bool>& done, int slot);
    bool wait_for_helpers();
    bool deliver(Worker& worker, int y);
    void wait_for_deliveries() const;
    // Returns the time when it was done; before: when the worker's last item was done.
    int64_t work_on(const Item& item, int slot, int64_t before);
    std::atomic<bool>& done(const Item& item) const {
        return done_[item.stage * quads_ + item.quad];
    }

    void pool(int quad, const FeatureRows& rows) const;
    void convolve(int block, int quad, float* scratch) const;
    void find_context(int quad, const Worker& worker) const;
    void look_up(int quad, int slot);
    void expand_context(int y, const FeatureRows& rows) const;
    void find_luma(int y, const FeatureRows& rows) const;

    const Model& model_;
    const int threads_;
    const Kernels& best_kernels_;
    const Kernels* kernels_ = nullptr;
    LutFuseFrame frame_{};
    LookUp look_up_{};

    int height_ = 0, width_ = 0;    // of the image
    int rows_ = 0, columns_ = 0;    // of the encoder's grid
    int quads_ = 0, look_up_quads_ = 1;  // in all; in one item of the look-up
    int distance_ = 1;              // of one stage behind the other, in quads
    std::vector<Planes> planes_;    // the encoder's input, then each hidden block's output
    std::vector<Buffer> plane_memory_;
    Buffer zeros_;
    Buffer context_memory_;         // rows of positions, or of gray levels if not packed
    int context_pitch_ = 0;
    std::vector<Worker> workers_;
    std::vector<Item> items_;
    std::atomic<int> next_{0};
    std::unique_ptr<std::atomic<bool>[]> done_;  // [stage][quad]
    std::atomic<bool> given_up_{false};
    int64_t fastest_ = 0;  // nanoseconds of the fastest frame of this size; 0 before the first one
    int64_t times_[LUT_FUSE_STAGES] = {};
};

}  // namespace lut_fuse
