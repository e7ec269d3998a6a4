#include "fuser.hpp"

#include <algorithm>

namespace lut_fuse {

namespace {

// Most frames that are fused alone after a helper was late: two seconds of a camera. It is one at
// first, and more each time as long as helpers are often late.
constexpr int kMostWary = 63;

}  // namespace

Fuser::Fuser(const LutFuseModel& model, int threads, const Kernels& kernels)
    : model_(model, kernels), alone_(model_, 1, kernels), times_(alone_.times()) {
    if (threads > 1) together_ = std::make_unique<Engine>(model_, threads, kernels);
}

bool Fuser::fuse(const LutFuseFrame& frame) {
    model_.enter(frame);
    Engine::Outcome outcome = Engine::kTaken;
    if (alone_for_ > 0) {
        --alone_for_;
    } else if (together_) {
        outcome = together_->fuse(frame);
    }
    times_ = outcome == Engine::kDone ? together_->times() : alone_.times();
    if (outcome == Engine::kDone) {
        wariness_ /= 2;
        return false;
    }
    if (outcome == Engine::kLate) {
        wariness_ = std::min(2 * wariness_ + 1, kMostWary);
        alone_for_ = wariness_;
    }
    alone_.fuse(frame);
    return outcome == Engine::kLate;
}

}  // namespace lut_fuse
