#include "edges.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

constexpr int kChannels = 4;
constexpr int kCoarse = 4;     // pixels a side of what the wide mean is taken over
constexpr int kPoolReach = 4;  // pixels to either side that a channel is pooled over
constexpr int kRing = 2 * kPoolReach + 1;

// The image goes on as in a mirror whose plane is the middle of the last pixel.
inline int mirrored(int at, int length) {
    if (length == 1) return 0;
    while (at < 0 || at >= length) at = at < 0 ? -at : 2 * (length - 1) - at;
    return at;
}

// Fills `reach` values on either side of a row.
inline void mirror_ends(float* row, int length, int reach) {
    for (int i = 1; i <= reach; ++i) {
        row[-i] = row[mirrored(-i, length)];
        row[length - 1 + i] = row[mirrored(length - 1 + i, length)];
    }
}

// What the steps of `edge_channels` have in common. They are inlined there, and so compiled twice.
struct Plan {
    const LutFuseEdges& e;
    int width, height, row_size, coarse_width, coarse_height, coarse_row;

    explicit Plan(const LutFuseEdges& edges)
        : e(edges),
          width(edges.width),
          height(edges.height),
          row_size(width * kChannels),
          coarse_width((width + kCoarse - 1) / kCoarse),
          coarse_height((height + kCoarse - 1) / kCoarse),
          coarse_row(coarse_width * kChannels) {}

    size_t pixels() const { return static_cast<size_t>(width) * height; }
    size_t row_at(int y) const { return static_cast<size_t>(y) * width; }
};

#define LUT_FUSE_STEP inline __attribute__((always_inline))

LUT_FUSE_STEP void smooth_image(const Plan& plan, std::vector<float>& smooth) {
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
        float* out = smooth.data() + plan.row_at(y);
        for (int x = 0; x < width; ++x) {
            out[x] = k[0] * row[x] + k[1] * (row[x - 1] + row[x + 1]) +
                     k[2] * (row[x - 2] + row[x + 2]);
        }
    }
}

// Derivatives of the smoothed image. Returns what is added to the strength of every edge: from
// strengths well below it on, edges fade.
LUT_FUSE_STEP float differentiate(const Plan& plan, const std::vector<float>& smooth,
                                  std::vector<float>& gx, std::vector<float>& gy) {
    const int width = plan.width, height = plan.height;
    std::vector<float> strengths;
    strengths.reserve((gx.size() + height) / 9 + width);
    for (int y = 0; y < height; ++y) {
        const float* row = smooth.data() + plan.row_at(y);
        const float* above = smooth.data() + plan.row_at(mirrored(y - 1, height));
        const float* below = smooth.data() + plan.row_at(mirrored(y + 1, height));
        float *across = gx.data() + plan.row_at(y), *down = gy.data() + plan.row_at(y);
        across[0] = across[width - 1] = 0;  // the same on both sides of the mirror
        for (int x = 1; x < width - 1; ++x) across[x] = row[x + 1] - row[x - 1];
        for (int x = 0; x < width; ++x) down[x] = below[x] - above[x];
        if (y % 3) continue;
        for (int x = 0; x < width; x += 3) {
            strengths.push_back(std::sqrt(across[x] * across[x] + down[x] * down[x]));
        }
    }
    const size_t half = strengths.size() / 2;
    std::nth_element(strengths.begin(), strengths.begin() + half, strengths.end());
    return 0.7f * strengths[half] + 0.3f;
}

// The channels of one row, side by side, pooled across. planes: room for them with mirrored ends.
LUT_FUSE_STEP void pool_across(const Plan& plan, const float* across, const float* down,
                               float floor, std::vector<float>& planes, float* pooled) {
    const int width = plan.width, padded_width = width + 2 * kPoolReach;
    const float root = std::sqrt(2.0f), diagonal = std::sqrt(0.5f), unit = plan.e.unit;
    const float* p = plan.e.pooling;
    float* __restrict first = planes.data() + kPoolReach;
    float* __restrict second = first + padded_width;
    float* __restrict third = second + padded_width;
    float* __restrict fourth = third + padded_width;
    for (int x = 0; x < width; ++x) {
        const float strength = std::sqrt(across[x] * across[x] + down[x] * down[x]);
        const float weight = unit / (strength * root + floor);
        const float a = across[x] * weight, b = down[x] * weight;
        first[x] = std::fabs(a);
        second[x] = std::fabs(a + b) * diagonal;
        third[x] = std::fabs(b);
        fourth[x] = std::fabs(b - a) * diagonal;
    }
    for (int c = 0; c < kChannels; ++c) {
        float* row = planes.data() + kPoolReach + c * padded_width;
        mirror_ends(row, width, kPoolReach);
        float* __restrict out = pooled + c * width;
        for (int x = 0; x < width; ++x) {
            out[x] = p[0] * row[x] + p[1] * (row[x - 1] + row[x + 1]) +
                     p[2] * (row[x - 2] + row[x + 2]) + p[3] * (row[x - 3] + row[x + 3]) +
                     p[4] * (row[x - 4] + row[x + 4]);
        }
    }
}

LUT_FUSE_STEP void pool_down(const Plan& plan, const std::vector<float>& ring, int y, float* pooled) {
    const float* p = plan.e.pooling;
    const float* rows[kRing];
    for (int i = 0; i < kRing; ++i) {
        const int at = mirrored(y + i - kPoolReach, plan.height) % kRing;
        rows[i] = ring.data() + at * plan.row_size;
    }
    float* __restrict out = pooled;
    for (int x = 0; x < plan.row_size; ++x) {
        out[x] = p[0] * rows[4][x] + p[1] * (rows[3][x] + rows[5][x]) +
                 p[2] * (rows[2][x] + rows[6][x]) + p[3] * (rows[1][x] + rows[7][x]) +
                 p[4] * (rows[0][x] + rows[8][x]);
    }
}

// From sums down a block of rows to those of its blocks of pixels.
LUT_FUSE_STEP void add_blocks(const Plan& plan, const std::vector<float>& sums, float* blocks) {
    for (int c = 0; c < kChannels; ++c, blocks += plan.coarse_width) {
        const float* plane = sums.data() + c * plan.width;
        for (int x = 0; x < plan.coarse_width; ++x) {
            blocks[x] = 0;
            for (int i = 0; i < kCoarse; ++i) {
                blocks[x] += plane[std::min(x * kCoarse + i, plan.width - 1)];
            }
        }
    }
}

// Channels side by side in each row, pooled across, then down; and their sums over coarse blocks.
LUT_FUSE_STEP void pool_channels(const Plan& plan, const std::vector<float>& gx,
                                 const std::vector<float>& gy, float floor, float* pooled,
                                 std::vector<float>& coarse) {
    const int height = plan.height, row_size = plan.row_size;
    std::vector<float> ring(static_cast<size_t>(row_size) * kRing), sums(row_size);
    std::vector<float> planes(static_cast<size_t>(plan.width + 2 * kPoolReach) * kChannels);
    int made = 0;
    for (int y = 0; y < plan.coarse_height * kCoarse; ++y) {
        // Below the last row it is repeated, to fill the last blocks.
        float* out = pooled + static_cast<size_t>(std::min(y, height - 1)) * row_size;
        for (; made < std::min(y + kPoolReach + 1, height); ++made) {
            pool_across(plan, gx.data() + plan.row_at(made), gy.data() + plan.row_at(made), floor,
                        planes, ring.data() + made % kRing * row_size);
        }
        if (y < height) pool_down(plan, ring, y, out);
        if (y % kCoarse == 0) std::fill(sums.begin(), sums.end(), 0.0f);
        for (int x = 0; x < row_size; ++x) sums[x] += out[x];
        if (y % kCoarse < kCoarse - 1) continue;
        add_blocks(plan, sums, coarse.data() + static_cast<size_t>(y / kCoarse) * plan.coarse_row);
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
                          std::vector<float>& level, std::vector<float>& mean) {
    const int coarse_width = plan.coarse_width;
    const float at = (y + 0.5f) / kCoarse - 0.5f;
    const int upper = static_cast<int>(std::floor(at));
    const float down = at - upper;
    const int first = std::max(upper, 0), second = std::min(upper + 1, plan.coarse_height - 1);
    const float* above = coarse.data() + static_cast<size_t>(first) * plan.coarse_row;
    const float* below = coarse.data() + static_cast<size_t>(second) * plan.coarse_row;
    float* row = level.data() + 1;
    for (int c = 0; c < kChannels; ++c, above += coarse_width, below += coarse_width) {
        for (int x = 0; x < coarse_width; ++x) row[x] = above[x] + down * (below[x] - above[x]);
        row[-1] = row[0];
        row[coarse_width] = row[coarse_width - 1];
        float* __restrict out = mean.data() + c * plan.width;  // the next plane covers its end
        for (int x = 0; x < coarse_width; ++x) {
            const float left = row[x] - row[x - 1], right = row[x + 1] - row[x];
            out[4 * x] = row[x] - 0.375f * left;
            out[4 * x + 1] = row[x] - 0.125f * left;
            out[4 * x + 2] = row[x] + 0.125f * right;
            out[4 * x + 3] = row[x] + 0.375f * right;
        }
    }
}

// What stands out from the mean of the surroundings, as integers, the channels of a pixel together.
LUT_FUSE_STEP void stand_out(const Plan& plan, const float* pooled,
                             const std::vector<float>& coarse) {
    const int width = plan.width, row_size = plan.row_size;
    const LutFuseEdges& e = plan.e;
    std::vector<float> level(plan.coarse_width + 2), rest(static_cast<size_t>(row_size) + kCoarse);
    for (int y = 0; y < plan.height; ++y) {
        refine(plan, coarse, y, level, rest);
        const float* values = pooled + static_cast<size_t>(y) * row_size;
        if (e.inside) {
            const float* inside = e.inside + plan.row_at(y);
            for (int c = 0; c < kChannels; ++c) {
                for (int x = 0; x < width; ++x) {
                    float& each = rest[c * width + x];
                    each = inside[x] * (values[c * width + x] - each);
                }
            }
        } else {
            for (int x = 0; x < row_size; ++x) rest[x] = values[x] - rest[x];
        }
        int16_t* __restrict out = e.channels + static_cast<size_t>(y) * row_size;
        const float* plane = rest.data();
        for (int x = 0; x < width; ++x) {
            out[4 * x] = static_cast<int16_t>(plane[x]);
            out[4 * x + 1] = static_cast<int16_t>(plane[x + width]);
            out[4 * x + 2] = static_cast<int16_t>(plane[x + 2 * width]);
            out[4 * x + 3] = static_cast<int16_t>(plane[x + 3 * width]);
        }
    }
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void edge_channels(const LutFuseEdges& e) {
    const Plan plan(e);
    std::vector<float> gx(plan.pixels()), gy(plan.pixels()), smooth(plan.pixels());
    smooth_image(plan, smooth);
    const float floor = differentiate(plan, smooth, gx, gy);
    const std::unique_ptr<float[]> pooled(new float[plan.pixels() * kChannels]);
    std::vector<float> coarse(static_cast<size_t>(plan.coarse_row) * plan.coarse_height);
    pool_channels(plan, gx, gy, floor, pooled.get(), coarse);
    average_widely(plan, coarse);
    stand_out(plan, pooled.get(), coarse);
}

}  // namespace lut_fuse
