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
    void pack(const LutFuseModel& model);
    bool map_axes(const LutFuseModel& model);
    float bound(const LutFuseModel& model, int byte_axis, float level) const;

    std::vector<float> lattice_;
    std::vector<uint8_t> cells_;
};

}  // namespace lut_fuse
