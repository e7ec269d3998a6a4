#include "distances.hpp"

#include <algorithm>
#include <vector>

namespace lut_fuse {

namespace {

// Borgefors' distance transform: steps to neighbors, along an axis, along a diagonal, and like a
// knight in chess, as long as OpenCV has them.
constexpr float kAlong = 1.0f, kDiagonal = 1.4f, kKnight = 2.1969f;
constexpr float kFar = 65536.0f;
constexpr int kBorder = 2;

}  // namespace

void distances(const LutFuseDistances& d) {
    const ptrdiff_t pitch = d.width + 2 * kBorder;
    std::vector<float> memory(pitch * (d.height + 2 * kBorder), kFar);
    const auto row = [&](int y) { return memory.data() + (y + kBorder) * pitch + kBorder; };
    // `up` is the direction of the rows that are known, `left` that of the pixels.
    const auto nearest = [](const float* at, ptrdiff_t up, ptrdiff_t left) {
        float least = at[2 * up - 1] + kKnight;
        least = std::min(least, at[2 * up + 1] + kKnight);
        least = std::min(least, at[up - 2] + kKnight);
        least = std::min(least, at[up + 2] + kKnight);
        least = std::min(least, at[up - 1] + kDiagonal);
        least = std::min(least, at[up + 1] + kDiagonal);
        least = std::min(least, at[up] + kAlong);
        return std::min(least, at[left] + kAlong);
    };
    for (int y = 0; y < d.height; ++y) {
        const uint8_t* inside = d.inside + static_cast<ptrdiff_t>(y) * d.width;
        float* at = row(y);
        for (int x = 0; x < d.width; ++x, ++at) *at = inside[x] ? nearest(at, -pitch, -1) : 0;
    }
    for (int y = d.height - 1; y >= 0; --y) {
        float* result = d.result + static_cast<ptrdiff_t>(y) * d.width;
        float* at = row(y) + d.width - 1;
        for (int x = d.width - 1; x >= 0; --x, --at) {
            *at = std::min(*at, nearest(at, pitch, 1));
            result[x] = std::min(*at, kFar);
        }
    }
}

}  // namespace lut_fuse
