#include "encoder_error.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "buffer.hpp"

namespace lut_fuse {

namespace {

constexpr float kMargin = 4.0f;
constexpr int kRows = 16;
constexpr int kLeastWidth = 64;  // in pixels of the image: the kernels need some

// A frame and its place on the encoder's grid.
struct Frame {
    int stride, rows, columns;
    std::vector<uint8_t> visible, infrared;

    int width() const { return columns * stride; }
    int height() const { return rows * stride; }
};

// Squares of `side` pixels: 0 or 255 if `hard`, else anything.
Frame random_frame(int stride, int side, bool hard) {
    Frame frame{stride, kRows, std::max(kLeastWidth / stride, 16), {}, {}};
    const int width = frame.width(), height = frame.height();
    frame.visible.resize(static_cast<size_t>(3) * width * height);
    frame.infrared.resize(static_cast<size_t>(width) * height);
    const auto value = [&](int x, int y, int channel) {
        uint32_t bits = static_cast<uint32_t>((y / side * 4099 + x / side) * 5 + channel);
        for (int round = 0; round < 3; ++round) bits = (bits ^ bits >> 15) * 0x2c1b3c6du;
        const int level = static_cast<int>(bits >> 24);
        return static_cast<uint8_t>(hard ? (level & 128 ? 255 : 0) : level);
    };
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const size_t at = static_cast<size_t>(y) * width + x;
            for (int c = 0; c < 3; ++c) frame.visible[3 * at + c] = value(x, y, hard ? 0 : c);
            frame.infrared[at] = value(x, y, 3);
        }
    }
    return frame;
}

// [channel][row][column] with a border of zeros.
class Volume {
  public:
    Volume(int channels, int rows, int columns)
        : rows_(rows),
          columns_(columns),
          data_(static_cast<size_t>(channels) * (rows + 2) * (columns + 2)) {}

    double* row(int channel, int y) {
        return data_.data() +
               (static_cast<size_t>(channel) * (rows_ + 2) + y + 1) * (columns_ + 2) + 1;
    }

  private:
    int rows_, columns_;
    std::vector<double> data_;
};

Volume exact_input(const LutFuseModel& model, const Frame& frame) {
    const int pool = model.pool, unshuffle = model.unshuffle, width = frame.width();
    Volume input(model.blocks[0].inputs, frame.rows, frame.columns);
    for (int y = 0; y < frame.height(); ++y) {
        for (int x = 0; x < width; ++x) {
            const size_t at = static_cast<size_t>(y) * width + x;
            const uint8_t* rgb = &frame.visible[3 * at];
            const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
            const double color[4] = {static_cast<double>(rgb[0]), static_cast<double>(rgb[1]),
                                     static_cast<double>(rgb[2]),
                                     static_cast<double>(frame.infrared[at])};
            const double gray[2] = {luma, color[3]};
            const int row = y / pool % unshuffle, column = x / pool % unshuffle;
            for (int c = 0; c < (model.rgb_inputs ? 4 : 2); ++c) {
                input.row((c * unshuffle + row) * unshuffle + column,
                          y / frame.stride)[x / frame.stride] +=
                    (model.rgb_inputs ? color[c] : gray[c]) * model.input_scale / (pool * pool);
            }
        }
    }
    return input;
}

Volume convolve(const LutFuseBlock& block, Volume& input, int rows, int columns) {
    Volume output(block.outputs, rows, columns);
    for (int o = 0; o < block.outputs; ++o) {
        for (int y = 0; y < rows; ++y) {
            double* to = output.row(o, y);
            std::fill_n(to, columns, block.bias[o]);
            for (int c = 0; c < block.inputs; ++c) {
                const float* weight = block.weight + (static_cast<size_t>(o) * block.inputs + c) * 9;
                for (int tap = 0; tap < 9; ++tap) {
                    const double* from = input.row(c, y + tap / 3 - 1) + tap % 3 - 1;
                    for (int x = 0; x < columns; ++x) to[x] += weight[tap] * from[x];
                }
            }
        }
    }
    return output;
}

// The context in gray levels, row by row.
std::vector<double> exact_context(const LutFuseModel& model, const Frame& frame) {
    Volume now = exact_input(model, frame), first(0, 0, 0);
    for (int i = 0; i + 1 < model.block_count; ++i) {
        const LutFuseBlock& block = model.blocks[i];
        now = convolve(block, now, frame.rows, frame.columns);
        const bool add = model.skip && i + 2 == model.block_count;
        for (int o = 0; o < block.outputs; ++o) {
            for (int y = 0; y < frame.rows; ++y) {
                double* row = now.row(o, y);
                for (int x = 0; x < frame.columns; ++x) {
                    if (row[x] < 0.0) row[x] *= model.slope;
                    if (add) row[x] += i == 0 ? row[x] : first.row(o, y)[x];
                }
            }
        }
        if (i == 0) first = now;
    }
    now = convolve(model.blocks[model.block_count - 1], now, frame.rows, frame.columns);
    std::vector<double> context;
    for (int y = 0; y < frame.rows; ++y) {
        for (int x = 0; x < frame.columns; ++x) {
            context.push_back(255.0 / (1.0 + std::exp(-now.row(0, y)[x])));
        }
    }
    return context;
}

// What the kernels make of it, stage after stage.
std::vector<float> kernel_context(const LutFuseModel& model, const std::vector<Block>& blocks,
                                  const Kernels& kernels, const Frame& frame) {
    const int width = frame.width(), columns = frame.columns, channels = model.rgb_inputs ? 4 : 2;
    int most = kTileChannels;
    for (const Block& block : blocks) most = std::max(most, block.inputs);
    const int pitch = plane_pitch(columns, kernels);
    std::vector<Buffer> memory(blocks.size() + 2);
    std::vector<Planes> planes;
    memory[0].resize(sizeof(float) * most * pitch);
    for (size_t i = 0; i < blocks.size(); ++i) {
        const int count = kernels.pixels ? kTileChannels : blocks[i].inputs;
        memory[i + 1].resize(sizeof(float) * (count * pitch * frame.rows + kPlaneBorder));
        planes.push_back({memory[i + 1].as<float>() + kPlaneBorder,
                          memory[0].as<float>() + kPlaneBorder, count, frame.rows, columns, pitch,
                          frame.rows});
    }
    memory.back().resize(sizeof(float) * kernels.convolution_scratch(most));
    float* scratch = memory.back().as<float>();

    const size_t sums_pitch = width + 2 * kRowBorder;
    std::vector<uint16_t> sums(sums_pitch * channels * model.unshuffle);
    PooledRow row{sums.data(), sums_pitch, channels, model.pool, model.unshuffle,
                  sum_bits(model.pool), model.input_scale};
    for (int y = 0; y < frame.rows; ++y) {
        for (int u = 0; u < model.unshuffle; ++u) {
            const uint8_t *visible[64], *infrared[64];
            for (int k = 0; k < model.pool; ++k) {
                const size_t at =
                    static_cast<size_t>((y * model.unshuffle + u) * model.pool + k) * width;
                visible[k] = &frame.visible[3 * at];
                infrared[k] = &frame.infrared[at];
            }
            kernels.pool_rows(visible, 3, infrared, model.pool, width, row.bits, model.rgb_inputs,
                              sums.data() + u * channels * sums_pitch, sums_pitch);
        }
        kernels.spread_sums(row, planes[0], y);
    }
    const bool skip = model.skip && blocks.size() > 2;
    for (size_t i = 0; i + 1 < blocks.size(); ++i) {
        for (int y = 0; y < frame.rows; y += 4) {
            kernels.convolve_rows(blocks[i].convolution(model.slope), planes[i], y, planes[i + 1],
                                  skip && i + 2 == blocks.size() ? &planes[1] : nullptr, scratch);
        }
    }
    const ptrdiff_t context_pitch = columns + 2 * kRowBorder;
    std::vector<float> levels(context_pitch * frame.rows), context;
    for (int y = 0; y < frame.rows; y += 4) {
        const ContextRows rows{nullptr, levels.data() + y * context_pitch, context_pitch, 0, 0, 0};
        kernels.context_rows(blocks.back().convolution(model.slope), planes.back(), y, rows,
                             scratch);
    }
    for (int y = 0; y < frame.rows; ++y) {
        const float* from = levels.data() + y * context_pitch;
        context.insert(context.end(), from, from + columns);
    }
    return context;
}

}  // namespace

float measured_error(const LutFuseModel& model, const std::vector<Block>& blocks,
                     const Kernels& kernels) {
    const int stride = model.pool * model.unshuffle;
    const Frame frames[] = {random_frame(stride, 1, false), random_frame(stride, 1, true),
                            random_frame(stride, 3 * stride, true)};
    double worst = 0.0;
    if (kernels.enter) kernels.enter();
    for (const Frame& frame : frames) {
        const std::vector<double> exact = exact_context(model, frame);
        const std::vector<float> found = kernel_context(model, blocks, kernels, frame);
        for (size_t i = 0; i < exact.size(); ++i) {
            worst = std::max(worst, std::fabs(exact[i] - static_cast<double>(found[i])));
        }
    }
    if (kernels.leave) kernels.leave();
    return kMargin * static_cast<float>(worst);
}

}  // namespace lut_fuse
