// A model as the kernels want it: packed lattice, regrouped weights.
#pragma once

#include <array>
#include <vector>

#include "lut_fuse_native.h"
#include "plan.hpp"
#include "tiles.hpp"

namespace lut_fuse {

struct Block {
    int outputs, inputs;
    std::vector<float> weight, bias;
    TileBlock tiles;
    Convolution convolution(float slope) const {
        return {outputs, inputs, weight.data(), bias.data(), slope,
                reinterpret_cast<const uint8_t*>(tiles.data())};
    }
};

// Between two lattices: the number of the darker one, and the share of the next, below 1.
struct ScenePlace {
    size_t index;
    float share;
    bool operator==(const ScenePlace& other) const {
        return index == other.index && share == other.share;
    }
};

// Whole gray levels, and the share of pixels of that level that are darker; see model/features.py.
struct AmbientLevel {
    int whole, left, count;
    float value() const {
        return static_cast<float>(whole) + static_cast<float>(left) / static_cast<float>(count);
    }
};

AmbientLevel ambient_level(const LutFuseFrame& frame);

class Model {
  public:
    // kernels: those that will run it.
    Model(const LutFuseModel& model, const Kernels& kernels);

    // Have the look-up ready for the scene of a frame.
    void enter(const LutFuseFrame& frame);

    LookUp look_up{};
    bool packed = false;      // else the float look-up serves
    float error_bound = 0.0f;  // of the packed look-up, gray levels before rounding
    float context_error = 0.0f;  // the encoder's part of it, in gray levels of the context
    bool proven = false;  // whether no frame exceeds that; else frames were measured
    float context_low, context_scale;  // context in gray levels to positions

    bool replicate, rgb, skip;
    int pool, unshuffle;
    float input_scale, slope;
    std::vector<Block> blocks;

    int stride() const { return pool * unshuffle; }
    int channels() const { return rgb ? 4 : 2; }

  private:
    bool plan_packing(const LutFuseModel& model);
    void pack();
    bool map_axes(const LutFuseModel& model);
    std::array<float, 4> bounds_of(const LutFuseModel& model, const std::vector<float>& lattice,
                                   float level) const;

    std::vector<std::vector<float>> lattices_;  // from that of the darkest scenes on
    std::vector<float> levels_;                 // ambient levels at which they serve alone
    ScenePlace place_{};
    std::vector<float> lattice_;  // of the scenes at this place
    float level_ = 1.0f, offset_ = 0.0f;  // of a packed node: gray levels per step and at 0
    std::vector<uint8_t> nodes_, cells_;
};

}  // namespace lut_fuse
