// Raw infrared to 8 bits on the visible pixel grid, in one pass.
#pragma once

#include "lut_fuse_native.h"
#include "plan.hpp"
#include "threads.hpp"

namespace lut_fuse {

// A band of rows at a time: the window of raw pixels that it needs becomes 8 bits in a buffer of
// the thread, small enough for its cache, and is interpolated from there. Raw is uint8_t or
// uint16_t.
template <class Raw>
class Sampling final : public Work {
  public:
    Sampling(const LutFuseInfrared& infrared, const Kernels& kernels)
        : infrared_(infrared), kernels_(kernels) {}

    void join(int slot) override;

    bool out_of_memory() const { return failed_.load(); }

  private:
    void tone(const LutFuseWindow& window, uint8_t* levels, ptrdiff_t pitch) const;
    bool warp_band(int first, int end) const;
    const Raw* raw_row(int y) const;

    const LutFuseInfrared& infrared_;
    const Kernels& kernels_;
    std::atomic<int> next_{0};
    std::atomic<bool> failed_{false};
};

}  // namespace lut_fuse
