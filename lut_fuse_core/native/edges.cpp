#include "edges.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

constexpr int kChannels = 4;
constexpr int kCoarse = 4;     // pixels a side of what the wide mean is taken over
constexpr int kPoolReach = 4;  // pixels to either side that a channel is pooled over
constexpr int kRing = 2 * kPoolReach + 1;
constexpr int kWhole = 1 << 16;        // a weight of 1
constexpr float kStrong = 1 << 15;     // a strong edge, squared channels added: two of them fit a word

// The image goes on as in a mirror whose plane is the middle of the last pixel.
inline int mirrored(int at, int length) {
    if (length == 1) return 0;
    while (at < 0 || at >= length) at = at < 0 ? -at : 2 * (length - 1) - at;
    return at;
}

// Fills `reach` values on either side of a row.
template <class T>
inline void mirror_ends(T* row, int length, int reach) {
    for (int i = 1; i <= reach; ++i) {
        row[-i] = row[mirrored(-i, length)];
        row[length - 1 + i] = row[mirrored(length - 1 + i, length)];
    }
}

// Memory that is written before it is read.
template <class T>
std::unique_ptr<T[]> room(size_t count) {
    return std::unique_ptr<T[]>(new T[count]);
}

// The upper half of a product of words: what one instruction gives.
inline uint16_t share_of(uint16_t value, uint16_t weight) {
    return static_cast<uint16_t>((static_cast<uint32_t>(value) * weight) >> 16);
}

// The value that half of some positive ones are below, which are moved about. Sorted by what floats
// begin with first: only those that begin like the middle one are compared.
float middle_of(std::vector<float>& values) {
    constexpr int kShift = 20;
    const auto start_of = [](float value) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        return bits >> kShift;
    };
    std::vector<uint32_t> counts(1 << (32 - kShift), 0);
    for (const float value : values) ++counts[start_of(value)];
    size_t below = 0, half = values.size() / 2;
    uint32_t start = 0;
    while (below + counts[start] <= half) below += counts[start++];
    size_t alike = 0;
    for (const float value : values) {
        if (start_of(value) == start) values[alike++] = value;
    }
    const auto middle = values.begin() + (half - below);
    std::nth_element(values.begin(), middle, values.begin() + alike);
    return *middle;
}

// What the steps of `edge_channels` have in common. They are inlined there, and so compiled twice.
struct Plan {
    const LutFuseEdges& e;
    int width, height, row_size, coarse_width, coarse_height, coarse_row;
    uint16_t pooling[kPoolReach + 1];  // in shares of kWhole

    explicit Plan(const LutFuseEdges& edges)
        : e(edges),
          width(edges.width),
          height(edges.height),
          row_size(width * kChannels),
          coarse_width((width + kCoarse - 1) / kCoarse),
          coarse_height((height + kCoarse - 1) / kCoarse),
          coarse_row(coarse_width * kChannels) {
        for (int i = 0; i <= kPoolReach; ++i) {
            pooling[i] = static_cast<uint16_t>(edges.pooling[i] * kWhole + 0.5f);
        }
    }

    size_t pixels() const { return static_cast<size_t>(width) * height; }
    size_t row_at(int y) const { return static_cast<size_t>(y) * width; }
};

#define LUT_FUSE_STEP inline __attribute__((always_inline))

LUT_FUSE_STEP void smooth_image(const Plan& plan, float* smooth) {
    const int width = plan.width;
    const float* k = plan.e.smoothing;
    std::vector<float> padded(width + 4);
    for (int y = 0; y < plan.height; ++y) {
        const float* rows[5];
        for (int i = 0; i < 5; ++i) {
            rows[i] = plan.e.gray + plan.row_at(mirrored(y + i - 2, plan.height));
        }
        float* row = padded.data() + 2;
        for (int x = 0; x < width; ++x) {
            row[x] = k[0] * rows[2][x] + k[1] * (rows[1][x] + rows[3][x]) +
                     k[2] * (rows[0][x] + rows[4][x]);
        }
        mirror_ends(row, width, 2);
        float* __restrict out = smooth + plan.row_at(y);
        for (int x = 0; x < width; ++x) {
            out[x] = k[0] * row[x] + k[1] * (row[x - 1] + row[x + 1]) +
                     k[2] * (row[x - 2] + row[x + 2]);
        }
    }
}

// Derivatives along one row of the smoothed image.
LUT_FUSE_STEP void differentiate(const Plan& plan, const float* smooth, int y,
                                 float* __restrict across, float* __restrict down) {
    const int width = plan.width;
    const float* row = smooth + plan.row_at(y);
    const float* above = smooth + plan.row_at(mirrored(y - 1, plan.height));
    const float* below = smooth + plan.row_at(mirrored(y + 1, plan.height));
    across[0] = across[width - 1] = 0;  // the same on both sides of the mirror
    for (int x = 1; x < width - 1; ++x) across[x] = row[x + 1] - row[x - 1];
    for (int x = 0; x < width; ++x) down[x] = below[x] - above[x];
}

// What is added to the strength of every edge: from strengths well below it on, edges fade.
LUT_FUSE_STEP float floor_of_strength(const Plan& plan, const float* smooth) {
    const int width = plan.width;
    std::vector<float> across(width), down(width), squares;
    squares.reserve((plan.height / 3 + 1) * static_cast<size_t>(width / 3 + 1));
    for (int y = 0; y < plan.height; y += 3) {
        differentiate(plan, smooth, y, across.data(), down.data());
        for (int x = 0; x < width; x += 3) {
            squares.push_back(across[x] * across[x] + down[x] * down[x]);
        }
    }
    return 0.7f * std::sqrt(middle_of(squares)) + 0.3f;
}

// The channels of one row, side by side, pooled across. planes: room for them with mirrored ends.
LUT_FUSE_STEP void pool_across(const Plan& plan, const float* across, const float* down,
                               float floor, uint16_t* planes, uint16_t* pooled) {
    const int width = plan.width, padded_width = width + 2 * kPoolReach;
    const float root = std::sqrt(2.0f), diagonal = std::sqrt(0.5f);
    const uint16_t* p = plan.pooling;
    uint16_t* __restrict first = planes + kPoolReach;
    uint16_t* __restrict second = first + padded_width;
    uint16_t* __restrict third = second + padded_width;
    uint16_t* __restrict fourth = third + padded_width;
    for (int x = 0; x < width; ++x) {
        const float strength = std::sqrt(across[x] * across[x] + down[x] * down[x]);
        const float weight = kStrong / (strength * root + floor);
        const float a = across[x] * weight, b = down[x] * weight;
        first[x] = static_cast<uint16_t>(static_cast<int>(std::fabs(a)));
        second[x] = static_cast<uint16_t>(static_cast<int>(std::fabs(a + b) * diagonal));
        third[x] = static_cast<uint16_t>(static_cast<int>(std::fabs(b)));
        fourth[x] = static_cast<uint16_t>(static_cast<int>(std::fabs(b - a) * diagonal));
    }
    for (int c = 0; c < kChannels; ++c) {
        uint16_t* row = planes + kPoolReach + c * padded_width;
        mirror_ends(row, width, kPoolReach);
        uint16_t* __restrict out = pooled + c * width;
        for (int x = 0; x < width; ++x) {
            uint16_t sum = share_of(row[x], p[0]);
            sum += share_of(row[x - 1] + row[x + 1], p[1]);
            sum += share_of(row[x - 2] + row[x + 2], p[2]);
            sum += share_of(row[x - 3] + row[x + 3], p[3]);
            sum += share_of(row[x - 4] + row[x + 4], p[4]);
            out[x] = sum;
        }
    }
}

LUT_FUSE_STEP void pool_down(const Plan& plan, const uint16_t* ring, int y,
                             uint16_t* __restrict out) {
    const uint16_t* p = plan.pooling;
    const uint16_t* rows[kRing];
    for (int i = 0; i < kRing; ++i) {
        const int at = mirrored(y + i - kPoolReach, plan.height) % kRing;
        rows[i] = ring + at * plan.row_size;
    }
    for (int x = 0; x < plan.row_size; ++x) {
        uint16_t sum = share_of(rows[4][x], p[0]);
        sum += share_of(rows[3][x] + rows[5][x], p[1]);
        sum += share_of(rows[2][x] + rows[6][x], p[2]);
        sum += share_of(rows[1][x] + rows[7][x], p[3]);
        sum += share_of(rows[0][x] + rows[8][x], p[4]);
        out[x] = sum;
    }
}

// Channels side by side in each row, pooled across, then down.
LUT_FUSE_STEP void pool_channels(const Plan& plan, const float* smooth, float floor,
                                 uint16_t* pooled) {
    const int width = plan.width, height = plan.height, row_size = plan.row_size;
    const auto ring = room<uint16_t>(static_cast<size_t>(row_size) * kRing);
    const auto planes = room<uint16_t>(static_cast<size_t>(width + 2 * kPoolReach) * kChannels);
    std::vector<float> across(width), down(width);
    int made = 0;
    for (int y = 0; y < height; ++y) {
        for (; made < std::min(y + kPoolReach + 1, height); ++made) {
            differentiate(plan, smooth, made, across.data(), down.data());
            pool_across(plan, across.data(), down.data(), floor, planes.get(),
                        ring.get() + made % kRing * row_size);
        }
        pool_down(plan, ring.get(), y, pooled + static_cast<size_t>(y) * row_size);
    }
}

// Sums of each block of pixels; beyond the last row and column these are repeated.
LUT_FUSE_STEP void add_blocks(const Plan& plan, const uint16_t* pooled, float* coarse) {
    const int width = plan.width, whole = width / kCoarse;
    std::vector<uint32_t> sums(plan.row_size);
    for (int y = 0; y < plan.coarse_height; ++y) {
        const uint16_t* rows[kCoarse];
        for (int i = 0; i < kCoarse; ++i) {
            const int at = std::min(y * kCoarse + i, plan.height - 1);
            rows[i] = pooled + static_cast<size_t>(at) * plan.row_size;
        }
        for (int x = 0; x < plan.row_size; ++x) {
            sums[x] = static_cast<uint32_t>(rows[0][x]) + rows[1][x] + rows[2][x] + rows[3][x];
        }
        for (int c = 0; c < kChannels; ++c, coarse += plan.coarse_width) {
            const uint32_t* plane = sums.data() + c * width;
            for (int x = 0; x < whole; ++x) {
                const uint32_t* p = plane + x * kCoarse;
                coarse[x] = static_cast<float>(static_cast<int32_t>(p[0] + p[1] + p[2] + p[3]));
            }
            if (whole == plan.coarse_width) continue;
            uint32_t rest = 0;
            for (int i = 0; i < kCoarse; ++i) {
                rest += plane[std::min(whole * kCoarse + i, width - 1)];
            }
            coarse[whole] = static_cast<float>(rest);
        }
    }
}

// The mean of the surroundings of each coarse block, from sums over blocks.
LUT_FUSE_STEP void average_widely(const Plan& plan, std::vector<float>& coarse) {
    const int coarse_width = plan.coarse_width, wide = plan.e.wide, reach = wide / 2;
    std::vector<float> line(coarse_width + 2 * reach), means(coarse.size(), 0.0f);
    for (int y = 0; y < plan.coarse_height * kChannels; ++y) {
        float* row = line.data() + reach;
        std::copy_n(coarse.data() + static_cast<size_t>(y) * coarse_width, coarse_width, row);
        mirror_ends(row, coarse_width, reach);
        float* out = means.data() + static_cast<size_t>(y) * coarse_width;
        for (int i = -reach; i <= reach; ++i) {
            for (int x = 0; x < coarse_width; ++x) out[x] += row[x + i];
        }
    }
    std::fill(coarse.begin(), coarse.end(), 0.0f);
    const float share = 1.0f / (wide * wide * kCoarse * kCoarse);
    for (int y = 0; y < plan.coarse_height; ++y) {
        float* out = coarse.data() + static_cast<size_t>(y) * plan.coarse_row;
        for (int i = -reach; i <= reach; ++i) {
            const int from = mirrored(y + i, plan.coarse_height);
            const float* row = means.data() + static_cast<size_t>(from) * plan.coarse_row;
            for (int x = 0; x < plan.coarse_row; ++x) out[x] += share * row[x];
        }
    }
}

// A row of coarse means, interpolated. level: room for a row of them with one more at either end.
LUT_FUSE_STEP void refine(const Plan& plan, const std::vector<float>& coarse, int y,
                          std::vector<float>& level, uint16_t* mean) {
    const int coarse_width = plan.coarse_width;
    const float at = (y + 0.5f) / kCoarse - 0.5f;
    const int upper = static_cast<int>(std::floor(at));
    const float down = at - upper;
    const int first = std::max(upper, 0), second = std::min(upper + 1, plan.coarse_height - 1);
    const float* above = coarse.data() + static_cast<size_t>(first) * plan.coarse_row;
    const float* below = coarse.data() + static_cast<size_t>(second) * plan.coarse_row;
    float* row = level.data() + 1;
    const auto word = [](float value) { return static_cast<uint16_t>(static_cast<int>(value)); };
    for (int c = 0; c < kChannels; ++c, above += coarse_width, below += coarse_width) {
        for (int x = 0; x < coarse_width; ++x) row[x] = above[x] + down * (below[x] - above[x]);
        row[-1] = row[0];
        row[coarse_width] = row[coarse_width - 1];
        uint16_t* __restrict out = mean + c * plan.width;  // the next plane covers its end
        for (int x = 0; x < coarse_width; ++x) {
            const float left = row[x] - row[x - 1], right = row[x + 1] - row[x];
            out[4 * x] = word(row[x] - 0.375f * left);
            out[4 * x + 1] = word(row[x] - 0.125f * left);
            out[4 * x + 2] = word(row[x] + 0.125f * right);
            out[4 * x + 3] = word(row[x] + 0.375f * right);
        }
    }
}

// What stands out from the mean of the surroundings, in the unit asked for, the channels of a pixel
// together.
LUT_FUSE_STEP void stand_out(const Plan& plan, const uint16_t* pooled,
                             const std::vector<float>& coarse) {
    const int width = plan.width, row_size = plan.row_size;
    const LutFuseEdges& e = plan.e;
    const auto unit = static_cast<uint16_t>(e.unit * (kWhole / kStrong) + 0.5f);
    std::vector<float> level(plan.coarse_width + 2);
    const auto mean = room<uint16_t>(static_cast<size_t>(row_size) + kCoarse);
    const auto rest = room<int16_t>(row_size);
    for (int y = 0; y < plan.height; ++y) {
        refine(plan, coarse, y, level, mean.get());
        const uint16_t* values = pooled + static_cast<size_t>(y) * row_size;
        int16_t* __restrict found = rest.get();
        for (int x = 0; x < row_size; ++x) {
            const int16_t step = static_cast<int16_t>(values[x] - mean[x]);
            const uint16_t size = step < 0 ? -step : step;
            const int16_t share = static_cast<int16_t>(share_of(size, unit));
            found[x] = step < 0 ? -share : share;
        }
        if (e.inside) {
            const float* inside = e.inside + plan.row_at(y);
            for (int c = 0; c < kChannels; ++c) {
                int16_t* __restrict plane = rest.get() + c * width;
                for (int x = 0; x < width; ++x) plane[x] = inside[x] > 0.5f ? plane[x] : 0;
            }
        }
        int16_t* __restrict out = e.channels + static_cast<size_t>(y) * row_size;
        const int16_t* plane = rest.get();
        for (int x = 0; x < width; ++x) {
            out[4 * x] = plane[x];
            out[4 * x + 1] = plane[x + width];
            out[4 * x + 2] = plane[x + 2 * width];
            out[4 * x + 3] = plane[x + 3 * width];
        }
    }
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void edge_channels(const LutFuseEdges& e) {
    const Plan plan(e);
    const auto smooth = room<float>(plan.pixels());
    smooth_image(plan, smooth.get());
    const float floor = floor_of_strength(plan, smooth.get());
    const auto pooled = room<uint16_t>(plan.pixels() * kChannels);
    pool_channels(plan, smooth.get(), floor, pooled.get());
    std::vector<float> coarse(static_cast<size_t>(plan.coarse_row) * plan.coarse_height);
    add_blocks(plan, pooled.get(), coarse.data());
    average_widely(plan, coarse);
    stand_out(plan, pooled.get(), coarse);
}

}  // namespace lut_fuse
