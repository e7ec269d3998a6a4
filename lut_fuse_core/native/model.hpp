// A model as the kernels want it: packed lattice, regrouped weights.
#pragma once

#include <vector>

#include "lut_fuse_native.h"
#include "plan.hpp"

namespace lut_fuse {

struct Block {
    int outputs, inputs;
    std::vector<float> weight, bias;
    Convolution convolution(float slope) const {
        return {outputs, inputs, weight.data(), bias.data(), slope};
    }
};

class Model {
  public:
    explicit Model(const LutFuseModel& model);

    // Have the look-up ready for the scene of a frame.
    void enter(const LutFuseFrame& frame);

    LookUp look_up{};
    bool packed = false;      // else the float look-up serves
    float error_bound = 0.0f;  // of the packed look-up, grey levels before rounding
    float context_low, context_scale;  // context in grey levels to positions

    bool replicate, rgb, skip;
    int pool, unshuffle;
    float input_scale, slope;
    std::vector<Block> blocks;

    int stride() const { return pool * unshuffle; }
    int channels() const { return rgb ? 4 : 2; }

  private:
    void plan_packing(const LutFuseModel& model);
    void pack();
    bool map_axes(const LutFuseModel& model);
    float bound(const LutFuseModel& model, const std::vector<float>& lattice, int byte_axis,
                float level) const;

    std::vector<float> bright_, dark_;  // dark_: empty if dark scenes are like others
    float dark_low_ = 0.0f, dark_high_ = 0.0f;
    float darkness_ = 0.0f;
    std::vector<float> lattice_;  // in a scene of this darkness
    float level_ = 1.0f, offset_ = 0.0f;  // of a packed node: grey levels per step and at 0
    std::vector<uint8_t> nodes_, cells_;
};

}  // namespace lut_fuse
