#include "model.hpp"

#include <algorithm>
#include <cmath>

#include "encoder_bound.hpp"
#include "encoder_error.hpp"

namespace lut_fuse {

namespace {

constexpr float kMostError = 0.99f;  // the packed look-up must stay within one gray level
constexpr float kMostContextError = 1.0f;  // with more it would not, whatever the lattice
constexpr int kMostCells = 32767;    // cell numbers are 16 bits and count halves

// Weights of a hidden block, transformed for Winograd's F(4, 3) and regrouped: see Convolution.
Block hidden_block(const LutFuseBlock& block) {
    static const double transform[6][3] = {
        {1.0 / 4, 0, 0},
        {-1.0 / 6, -1.0 / 6, -1.0 / 6},
        {-1.0 / 6, 1.0 / 6, -1.0 / 6},
        {1.0 / 24, 1.0 / 12, 1.0 / 6},
        {1.0 / 24, -1.0 / 12, 1.0 / 6},
        {0, 0, 1},
    };
    const int groups = (block.outputs + 3) / 4;
    Block result{block.outputs, block.inputs, {}, {}, {}};
    result.weight.assign(static_cast<size_t>(groups) * 6 * block.inputs * 3 * 4, 0.0f);
    result.bias.assign(block.bias, block.bias + block.outputs);
    for (int o = 0; o < block.outputs; ++o) {
        for (int i = 0; i < 6; ++i) {
            for (int c = 0; c < block.inputs; ++c) {
                const float* filter =
                    block.weight + (static_cast<size_t>(o) * block.inputs + c) * 9;
                for (int column = 0; column < 3; ++column) {
                    double sum = 0.0;
                    for (int row = 0; row < 3; ++row) {
                        sum += transform[i][row] * filter[3 * row + column];
                    }
                    const size_t at =
                        (((static_cast<size_t>(o / 4) * 6 + i) * block.inputs + c) * 3 + column) *
                            4 +
                        o % 4;
                    result.weight[at] = static_cast<float>(sum);
                }
            }
        }
    }
    return result;
}

Block last_block(const LutFuseBlock& block) {
    Block result{block.outputs, block.inputs, {}, {block.bias[0]}, {}};
    for (int row = 0; row < 3; ++row) {
        for (int c = 0; c < block.inputs; ++c) {
            const float* filter = block.weight + 9 * c + 3 * row;
            result.weight.insert(result.weight.end(), filter, filter + 3);
        }
    }
    return result;
}

int bits_for(int cells) {
    int bits = 0;
    while ((1 << bits) < cells) ++bits;
    return bits;
}

// See model/scenes.py.
ScenePlace place_of(float ambient, const std::vector<float>& levels) {
    if (ambient <= levels.front()) return {0, 0.0f};
    if (ambient >= levels.back()) return {levels.size() - 1, 0.0f};
    size_t index = 0;
    while (ambient >= levels[index + 1]) ++index;
    return {index, (ambient - levels[index]) / (levels[index + 1] - levels[index])};
}

float range(const LutFuseAxis& axis) { return axis.high - axis.low; }

// The map of a feature with `unit` steps per gray level of the axis; false if it cannot be one.
bool map_axis(const LutFuseAxis& axis, float unit, AxisMap& map) {
    const float low = std::round(axis.low * unit), span = range(axis) * unit;
    if (low < 0.0f || low > 65535.0f || span < 1.0f) return false;
    map.low = static_cast<uint16_t>(low);
    map.limit = static_cast<uint16_t>(std::min(std::ceil(span), 65535.0f));
    map.shift = 0;
    while ((map.limit << (map.shift + 1)) <= 65535) ++map.shift;
    const float positions = static_cast<float>(map.end) + 1.0f;
    const float factor = positions / span * std::ldexp(1.0f, 16 - map.shift);
    map.factor = static_cast<uint16_t>(std::min(std::round(factor), 65535.0f));
    return true;
}

}  // namespace

AmbientLevel ambient_level(const LutFuseFrame& frame) {
    constexpr int kGrid = 64, kRank = 1638;
    int column[kGrid];
    for (int j = 0; j < kGrid; ++j) {
        column[j] = (2 * j + 1) * frame.width / (2 * kGrid) * frame.channels;
    }
    const int green = frame.channels / 2, blue = frame.channels - 1;  // of gray the same byte
    // Four histograms: neighbors are often alike, and would wait for one another's count.
    int part[4][256] = {};
    for (int i = 0; i < kGrid; ++i) {
        const int y = (2 * i + 1) * frame.height / (2 * kGrid);
        const uint8_t* row = frame.visible + y * frame.visible_stride;
        for (int j = 0; j < kGrid; ++j) {
            const uint8_t* rgb = row + column[j];
            ++part[j % 4][(299u * rgb[0] + 587u * rgb[green] + 114u * rgb[blue]) / 1000u];
        }
    }
    int counts[256];
    for (int i = 0; i < 256; ++i) counts[i] = part[0][i] + part[1][i] + part[2][i] + part[3][i];
    int level = 0, left = kRank;
    while (counts[level] < left) left -= counts[level++];
    return {level, left, counts[level]};
}

Model::Model(const LutFuseModel& model, const Kernels& kernels)
    : replicate(model.border_replicate),
      rgb(model.rgb_inputs),
      skip(model.skip),
      pool(model.pool),
      unshuffle(model.unshuffle),
      input_scale(model.input_scale),
      slope(model.slope) {
    for (int i = 0; i + 1 < model.block_count; ++i) {
        blocks.push_back(hidden_block(model.blocks[i]));
    }
    blocks.push_back(last_block(model.blocks[model.block_count - 1]));
    if (skip && blocks.size() == 2) {
        // The first block is the last hidden one too: added to itself.
        for (float& weight : blocks[1].weight) weight *= 2.0f;
        skip = false;
    }
    if (fits_tiles(model)) {
        std::vector<TileBlock> tiles = tile_blocks(model, model.skip && !skip ? 2.0f : 1.0f);
        for (size_t i = 0; i < blocks.size(); ++i) blocks[i].tiles = std::move(tiles[i]);
    }
    size_t size = 1;
    for (int i = 3; i >= 0; --i) {
        const LutFuseAxis& axis = model.axes[i];
        look_up.float_axis[i] = {axis.low, static_cast<float>(axis.nodes - 1) / range(axis),
                                 axis.nodes, static_cast<int>(size)};
        size *= axis.nodes;
    }
    for (int i = 0; i < model.lattice_count; ++i) {
        lattices_.emplace_back(model.lattices[i], model.lattices[i] + size);
        levels_.push_back(model.levels[i]);
    }
    lattice_ = lattices_.front();
    look_up.lattice = lattice_.data();
    look_up.gradient_l2 = model.gradient_l2;
    look_up.gradient_scale = model.gradient_scale;
    if (map_axes(model)) {
        context_error = context_bound(model, kernels);
        proven = context_error < kMostContextError && plan_packing(model);
        if (!proven) {
            const bool fits = !kernels.pixels || !blocks.front().tiles.empty();
            context_error = measured_error(model, blocks, fits ? kernels : *kernels.substitute);
            plan_packing(model);
        }
    }
    if (packed) pack();
}

void Model::enter(const LutFuseFrame& frame) {
    if (lattices_.size() == 1) return;
    const float ambient = frame.ambient < 0.0f ? ambient_level(frame).value() : frame.ambient;
    const ScenePlace place = place_of(ambient, levels_);
    if (place == place_) return;
    place_ = place;
    const std::vector<float>& darker = lattices_[place.index];
    const std::vector<float>& next = lattices_[std::min(place.index + 1, lattices_.size() - 1)];
    for (size_t i = 0; i < lattice_.size(); ++i) {
        lattice_[i] = darker[i] + place.share * (next[i] - darker[i]);
    }
    if (packed) pack();
}

bool Model::map_axes(const LutFuseModel& model) {
    int cells = 1;
    for (int i = 3; i >= 0; --i) {
        AxisMap& map = look_up.axis[i];
        const int count = model.axes[i].nodes - 1;
        map.cell_bits = bits_for(count);
        map.end = static_cast<uint16_t>((count << (kPositionBits - map.cell_bits)) - 1);
        map.stride = static_cast<uint16_t>(2 * cells);
        cells *= count;
        if (cells > kMostCells) return false;
    }
    // With six fractional bits a derivative saturates at 512 gray levels, with five never.
    const float most = model.axes[2].high / model.gradient_scale;
    look_up.gradient_bits = most <= 510.0f ? 6 : 5;
    const float unit = static_cast<float>(1 << look_up.gradient_bits) / model.gradient_scale;
    const LutFuseAxis& context = model.axes[3];
    context_low = context.low;
    context_scale = static_cast<float>(look_up.axis[3].end + 1) / range(context);
    // Context positions are interpolated, so that they must not be clipped before.
    return context.low <= 0.0f && context.high >= 255.0f &&
           map_axis(model.axes[0], 256.0f, look_up.axis[0]) &&
           map_axis(model.axes[1], 256.0f, look_up.axis[1]) &&
           map_axis(model.axes[2], unit, look_up.axis[2]);
}

// How nodes become bytes, whatever the scene; false if that would not be exact enough. What holds for
// all lattices holds in between, for the bound is convex in the lattice.
bool Model::plan_packing(const LutFuseModel& model) {
    float low = lattice_[0], high = lattice_[0];
    for (const std::vector<float>& lattice : lattices_) {
        for (const float node : lattice) {
            low = std::min(low, node);
            high = std::max(high, node);
        }
    }
    level_ = std::max(255.0f * (high - low) / 255.0f, 1e-3f);
    offset_ = 255.0f * low;
    // Whatever a pixel becomes must fit into 16 bits with six behind the point.
    if (level_ > 1.9f || std::fabs(offset_) > 250.0f || 255.0f * high > 500.0f) return false;

    std::array<float, 4> bounds{};
    for (const std::vector<float>& lattice : lattices_) {
        const std::array<float, 4> others = bounds_of(model, lattice, level_);
        for (int i = 0; i < 4; ++i) bounds[i] = std::max(bounds[i], others[i]);
    }
    const auto least = std::min_element(bounds.begin(), bounds.end());
    const int byte_axis = static_cast<int>(least - bounds.begin());
    error_bound = *least;
    if (error_bound > kMostError) return false;
    packed = true;
    for (int i = 0, bit = 0; i < 4; ++i) look_up.order[i == byte_axis ? 0 : ++bit] = i;
    // The packed result is 127 times the quantized lattice.
    look_up.fused_factor = static_cast<int16_t>(std::lround(level_ * 64.0f / 127.0f * 32768.0f));
    look_up.fused_offset = static_cast<int16_t>(std::lround(offset_ * 64.0f));

    size_t cells = 16;
    for (const FloatAxis& axis : look_up.float_axis) cells *= axis.nodes - 1;
    nodes_.resize(lattice_.size());
    cells_.resize(cells);
    look_up.cells = cells_.data();
    return true;
}

void Model::pack() {
    const float scale = 255.0f / level_, shift = 0.5f - offset_ / level_;
    for (size_t i = 0; i < nodes_.size(); ++i) {
        nodes_[i] = static_cast<uint8_t>(lattice_[i] * scale + shift);
    }
    const FloatAxis* axes = look_up.float_axis;
    int corners[16];
    for (int corner = 0; corner < 16; ++corner) {
        corners[corner] = 0;
        for (int bit = 0; bit < 4; ++bit) {
            if (corner >> bit & 1) corners[corner] += axes[look_up.order[bit]].stride;
        }
    }
    uint8_t* cell = cells_.data();
    for (int a = 0; a < axes[0].nodes - 1; ++a) {
        for (int b = 0; b < axes[1].nodes - 1; ++b) {
            for (int c = 0; c < axes[2].nodes - 1; ++c) {
                for (int d = 0; d < axes[3].nodes - 1; ++d) {
                    const int node = a * axes[0].stride + b * axes[1].stride +
                                     c * axes[2].stride + d * axes[3].stride;
                    for (const int corner : corners) *cell++ = nodes_[node + corner];
                }
            }
        }
    }
}

// Largest distance in gray levels between the packed look-up and the exact one before rounding:
// half a quantization step, plus each axis's error of position times the lattice's largest change
// along that axis within a cell, for each axis that may be the one of bytes. The context's error is
// that of the encoder.
std::array<float, 4> Model::bounds_of(const LutFuseModel& model, const std::vector<float>& lattice,
                                      float level) const {
    // Errors of the features in gray levels of their axis: see load_luma, whose weights are rounded
    // too, and gradient.
    const float luma = 0.9f / 256.0f;
    const float fine = luma + 0.5f / static_cast<float>(1 << look_up.gradient_bits);
    const float feature[4] = {luma, 0.0f, 12.0f * fine * model.gradient_scale,
                              context_error};
    const FloatAxis* axes = look_up.float_axis;
    float position[4][4];  // of the axis of bytes, then of each axis
    for (int i = 0; i < 4; ++i) {
        const float unit = std::ldexp(1.0f, look_up.axis[i].cell_bits - kPositionBits);
        const float own = feature[i] * axes[i].inverse_step + 2.5f * unit;
        for (int byte_axis = 0; byte_axis < 4; ++byte_axis) {
            position[byte_axis][i] = i == byte_axis ? own + 0.5f / 127.0f : own;
        }
    }
    std::array<float, 4> worst{};
    for (int a = 0; a < axes[0].nodes - 1; ++a) {
        for (int b = 0; b < axes[1].nodes - 1; ++b) {
            for (int c = 0; c < axes[2].nodes - 1; ++c) {
                for (int d = 0; d < axes[3].nodes - 1; ++d) {
                    const float* cell = lattice.data() + a * axes[0].stride +
                                        b * axes[1].stride + c * axes[2].stride +
                                        d * axes[3].stride;
                    float change[4] = {};
                    for (int axis = 0; axis < 4; ++axis) {
                        for (int corner = 0; corner < 16; ++corner) {
                            if (corner >> axis & 1) continue;
                            const float* p = cell;
                            for (int i = 0; i < 4; ++i) {
                                if (corner >> i & 1) p += axes[i].stride;
                            }
                            const float here = std::fabs(p[axes[axis].stride] - *p);
                            change[axis] = std::max(change[axis], here);
                        }
                    }
                    for (int i = 0; i < 4; ++i) {
                        float sum = 0.0f;
                        for (int axis = 0; axis < 4; ++axis) {
                            sum += position[i][axis] * 255.0f * change[axis];
                        }
                        worst[i] = std::max(worst[i], sum);
                    }
                }
            }
        }
    }
    // Of the four narrowings, of luma, fused luma and strength; single precision in the reference.
    const float rounding = 0.1f;
    for (float& each : worst) each += 0.5f * level + rounding;
    return worst;
}

}  // namespace lut_fuse
