// Fuses frames with one model, on several threads as long as none of them is late.
#pragma once

#include <memory>

#include "engine.hpp"
#include "model.hpp"

namespace lut_fuse {

class Fuser {
  public:
    Fuser(const LutFuseModel& model, int threads, const Kernels& kernels);

    // Returns whether a helper was left behind, which reads the frame's images until `late` says no.
    bool fuse(const LutFuseFrame& frame);

    bool late() const { return together_ && together_->late(); }
    const Model& model() const { return model_; }
    const int64_t* times() const { return times_; }

  private:
    Model model_;
    Engine alone_;
    std::unique_ptr<Engine> together_;  // null for one thread
    const int64_t* times_;
    int alone_for_ = 0;  // frames, before the helpers are called again
    int wariness_ = 0;   // how many these are after a helper was late
};

}  // namespace lut_fuse
