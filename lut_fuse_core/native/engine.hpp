// Fuses frames with one model: buffers, order of work, threads.
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
class Engine final : private Work {
  public:
    Engine(const LutFuseModel& model, int threads, const Kernels& kernels);

    void fuse(const LutFuseFrame& frame);

    const Model& model() const { return model_; }
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
        int64_t times[LUT_FUSE_STAGES] = {};
    };

    int hidden_count() const { return static_cast<int>(model_.blocks.size()) - 1; }
    int context_stage() const { return hidden_count() + 1; }
    int look_up_stage() const { return hidden_count() + 2; }

    const Kernels& kernels_for(int width) const;
    void prepare(int height, int width);
    void prepare_planes();
    void prepare_worker(Worker& worker) const;
    void list_items();

    void join(int slot) override;
    void wait_for(const Item& item) const;
    void wait_for_quads(int stage, int first, int last) const;
    // Returns the time when it was done; before: when the worker's last item was done.
    int64_t work_on(const Item& item, Worker& worker, int64_t before);

    void pool(int quad, const FeatureRows& rows) const;
    void convolve(int block, int quad, float* scratch) const;
    void find_context(int quad, const Worker& worker) const;
    void look_up(int quad, const FeatureRows& rows) const;
    void expand_context(int y, const FeatureRows& rows) const;
    void find_luma(int y, const FeatureRows& rows) const;

    Model model_;
    const int threads_;
    const Kernels& best_kernels_;
    const Kernels* kernels_ = nullptr;
    const LutFuseFrame* frame_ = nullptr;
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
    int64_t times_[LUT_FUSE_STAGES] = {};
};

}  // namespace lut_fuse
