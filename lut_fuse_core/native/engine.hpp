// Fuses frames with one model: buffers, stages, threads.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "model.hpp"
#include "threads.hpp"

namespace lut_fuse {

// Memory aligned to cache lines and zero at first.
class Buffer {
  public:
    void resize(size_t bytes);
    template <class T>
    T* as() const {
        return static_cast<T*>(data_.get());
    }

  private:
    struct Free {
        void operator()(void* data) const;
    };
    std::unique_ptr<void, Free> data_;
};

class Engine final : private Work {
  public:
    Engine(const LutFuseModel& model, int threads, const Kernels& kernels);

    void fuse(const LutFuseFrame& frame);

    const Model& model() const { return model_; }
    const int64_t* times() const { return times_; }

  private:
    // A part of the frame that needs all of the part before: `count` items in any order.
    struct Stage {
        void (Engine::*item)(int block, int index, int slot);
        int count;
        int block;  // of the encoder
        int clock;  // whose time it counts to
        int64_t end;  // nanoseconds
        std::atomic<int> next{0}, finished{0};
        std::atomic<bool> done{false};
    };

    void join(int slot) override;
    void prepare(int height, int width);
    void prepare_rows(FeatureRows& rows, Buffer& memory) const;
    void add_stage(void (Engine::*item)(int, int, int), int count, int block, int clock);

    void pool_item(int block, int index, int slot);
    void convolve_item(int block, int index, int slot);
    void context_item(int block, int index, int slot);
    void look_up_item(int block, int index, int slot);
    void context_of_row(int y, const FeatureRows& rows) const;
    void luma_of_row(int y, const FeatureRows& rows) const;

    const Planes* skip_of(int block) const;

    Model model_;
    const int threads_;
    const Kernels& best_kernels_;
    const Kernels* kernels_ = nullptr;
    const LutFuseFrame* frame_ = nullptr;
    LookUp look_up_{};

    int height_ = 0, width_ = 0, rows_ = 0, columns_ = 0;
    std::vector<Buffer> plane_memory_;
    std::vector<Planes> planes_;  // the encoder's input, then each hidden block's output
    Buffer context_memory_, position_memory_;
    int context_pitch_ = 0;
    std::vector<Buffer> row_memory_;
    std::vector<FeatureRows> feature_rows_;
    std::unique_ptr<Stage[]> stages_;
    int stage_count_ = 0;
    int64_t times_[LUT_FUSE_STAGES] = {};
};

}  // namespace lut_fuse
