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

}  // namespace

LUT_FUSE_COMPILED_TWICE void edge_channels(const LutFuseEdges& e) {
    const int width = e.width, height = e.height, row_size = width * kChannels;
    const float *k = e.smoothing, *p = e.pooling;

    // Derivatives of the smoothed image, and their usual strength.
    std::vector<float> gx(static_cast<size_t>(width) * height), gy(gx.size());
    std::vector<float> smooth(gx.size()), padded(width + 4);
    for (int y = 0; y < height; ++y) {
        const float* rows[5];
        for (int i = 0; i < 5; ++i) {
            rows[i] = e.gray + static_cast<size_t>(mirrored(y + i - 2, height)) * width;
        }
        float* row = padded.data() + 2;
        for (int x = 0; x < width; ++x) {
            row[x] = k[0] * rows[2][x] + k[1] * (rows[1][x] + rows[3][x]) +
                     k[2] * (rows[0][x] + rows[4][x]);
        }
        mirror_ends(row, width, 2);
        float* out = smooth.data() + static_cast<size_t>(y) * width;
        for (int x = 0; x < width; ++x) {
            out[x] = k[0] * row[x] + k[1] * (row[x - 1] + row[x + 1]) +
                     k[2] * (row[x - 2] + row[x + 2]);
        }
    }
    std::vector<float> strengths;
    strengths.reserve((gx.size() + height) / 9 + width);
    for (int y = 0; y < height; ++y) {
        const size_t start = static_cast<size_t>(y) * width;
        const float* row = smooth.data() + start;
        const float* above = smooth.data() + static_cast<size_t>(mirrored(y - 1, height)) * width;
        const float* below = smooth.data() + static_cast<size_t>(mirrored(y + 1, height)) * width;
        float *across = gx.data() + start, *down = gy.data() + start;
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
    const float floor = 0.7f * strengths[half] + 0.3f;

    // Channels side by side in each row, pooled across, then down.
    const std::unique_ptr<float[]> pooled(new float[gx.size() * kChannels]);
    std::vector<float> ring(static_cast<size_t>(row_size) * kRing);
    const int padded_width = width + 2 * kPoolReach;
    std::vector<float> planes(static_cast<size_t>(padded_width) * kChannels);
    const float root = std::sqrt(2.0f), diagonal = std::sqrt(0.5f), unit = e.unit;
    const auto make_row = [&](int y) {
        const float* across = gx.data() + static_cast<size_t>(y) * width;
        const float* down = gy.data() + static_cast<size_t>(y) * width;
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
            float* __restrict out = ring.data() + y % kRing * row_size + c * width;
            for (int x = 0; x < width; ++x) {
                out[x] = p[0] * row[x] + p[1] * (row[x - 1] + row[x + 1]) +
                         p[2] * (row[x - 2] + row[x + 2]) + p[3] * (row[x - 3] + row[x + 3]) +
                         p[4] * (row[x - 4] + row[x + 4]);
            }
        }
    };
    const int coarse_width = (width + kCoarse - 1) / kCoarse;
    const int coarse_height = (height + kCoarse - 1) / kCoarse;
    const int coarse_row = coarse_width * kChannels, reach = e.wide / 2;
    std::vector<float> coarse(static_cast<size_t>(coarse_row) * coarse_height), sums(row_size);
    int made = 0;
    for (int y = 0; y < coarse_height * kCoarse; ++y) {
        float* __restrict out = pooled.get() + static_cast<size_t>(std::min(y, height - 1)) * row_size;
        if (y < height) {
            for (; made < std::min(y + kPoolReach + 1, height); ++made) make_row(made);
            const float* rows[kRing];
            for (int i = 0; i < kRing; ++i) {
                rows[i] = ring.data() + mirrored(y + i - kPoolReach, height) % kRing * row_size;
            }
            for (int x = 0; x < row_size; ++x) {
                out[x] = p[0] * rows[4][x] + p[1] * (rows[3][x] + rows[5][x]) +
                         p[2] * (rows[2][x] + rows[6][x]) + p[3] * (rows[1][x] + rows[7][x]) +
                         p[4] * (rows[0][x] + rows[8][x]);
            }
        }
        if (y % kCoarse == 0) std::fill(sums.begin(), sums.end(), 0.0f);
        for (int x = 0; x < row_size; ++x) sums[x] += out[x];
        if (y % kCoarse < kCoarse - 1) continue;
        float* means = coarse.data() + static_cast<size_t>(y / kCoarse) * coarse_row;
        for (int c = 0; c < kChannels; ++c, means += coarse_width) {
            const float* plane = sums.data() + c * width;
            for (int x = 0; x < coarse_width; ++x) {
                means[x] = 0;
                for (int i = 0; i < kCoarse; ++i) {
                    means[x] += plane[std::min(x * kCoarse + i, width - 1)];
                }
            }
        }
    }

    // The mean of the surroundings, coarse.
    std::vector<float> line(coarse_width + 2 * reach), means(coarse.size(), 0.0f);
    for (int y = 0; y < coarse_height * kChannels; ++y) {
        float* row = line.data() + reach;
        std::copy_n(coarse.data() + static_cast<size_t>(y) * coarse_width, coarse_width, row);
        mirror_ends(row, coarse_width, reach);
        float* out = means.data() + static_cast<size_t>(y) * coarse_width;
        for (int i = -reach; i <= reach; ++i) {
            for (int x = 0; x < coarse_width; ++x) out[x] += row[x + i];
        }
    }
    std::fill(coarse.begin(), coarse.end(), 0.0f);
    const float share = 1.0f / (e.wide * e.wide * kCoarse * kCoarse);
    for (int y = 0; y < coarse_height; ++y) {
        float* out = coarse.data() + static_cast<size_t>(y) * coarse_row;
        for (int i = -reach; i <= reach; ++i) {
            const int from = mirrored(y + i, coarse_height);
            const float* row = means.data() + static_cast<size_t>(from) * coarse_row;
            for (int x = 0; x < coarse_row; ++x) out[x] += share * row[x];
        }
    }

    // What stands out from it.
    std::vector<float> level(coarse_width + 2), rest(static_cast<size_t>(row_size) + kCoarse);
    for (int y = 0; y < height; ++y) {
        const float at = (y + 0.5f) / kCoarse - 0.5f;
        const int upper = static_cast<int>(std::floor(at));
        const float down = at - upper;
        const int first = std::max(upper, 0), second = std::min(upper + 1, coarse_height - 1);
        const float* above = coarse.data() + static_cast<size_t>(first) * coarse_row;
        const float* below = coarse.data() + static_cast<size_t>(second) * coarse_row;
        const size_t start = static_cast<size_t>(y) * width;
        float* row = level.data() + 1;
        for (int c = 0; c < kChannels; ++c, above += coarse_width, below += coarse_width) {
            for (int x = 0; x < coarse_width; ++x) row[x] = above[x] + down * (below[x] - above[x]);
            row[-1] = row[0];
            row[coarse_width] = row[coarse_width - 1];
            float* __restrict mean = rest.data() + c * width;  // the next plane covers its end
            for (int x = 0; x < coarse_width; ++x) {
                const float left = row[x] - row[x - 1], right = row[x + 1] - row[x];
                mean[4 * x] = row[x] - 0.375f * left;
                mean[4 * x + 1] = row[x] - 0.125f * left;
                mean[4 * x + 2] = row[x] + 0.125f * right;
                mean[4 * x + 3] = row[x] + 0.375f * right;
            }
        }
        const float* values = pooled.get() + start * kChannels;
        if (e.inside) {
            for (int c = 0; c < kChannels; ++c) {
                for (int x = 0; x < width; ++x) {
                    float& each = rest[c * width + x];
                    each = e.inside[start + x] * (values[c * width + x] - each);
                }
            }
        } else {
            for (int x = 0; x < row_size; ++x) rest[x] = values[x] - rest[x];
        }
        int16_t* __restrict out = e.channels + start * kChannels;
        const float* plane = rest.data();
        for (int x = 0; x < width; ++x) {
            out[4 * x] = static_cast<int16_t>(plane[x]);
            out[4 * x + 1] = static_cast<int16_t>(plane[x + width]);
            out[4 * x + 2] = static_cast<int16_t>(plane[x + 2 * width]);
            out[4 * x + 3] = static_cast<int16_t>(plane[x + 3 * width]);
        }
    }
}

}  // namespace lut_fuse
