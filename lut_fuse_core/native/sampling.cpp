#include "sampling.hpp"

#include <algorithm>

#include "buffer.hpp"

namespace lut_fuse {

namespace {

thread_local Scratch scratch;  // the pixels of a window

}  // namespace

template <class Raw>
const Raw* Sampling<Raw>::raw_row(int y) const {
    const auto* bytes = static_cast<const uint8_t*>(infrared_.raw);
    return reinterpret_cast<const Raw*>(bytes + y * infrared_.raw_stride);
}

template <class Raw>
void Sampling<Raw>::join(int) {
    for (;;) {
        const int first = next_.fetch_add(infrared_.band);
        if (first >= infrared_.height) return;
        const int end = std::min(first + infrared_.band, infrared_.height);
        if (infrared_.offsets) {
            if (!warp_band(first, end)) failed_.store(true);
        } else {
            const LutFuseWindow same{0, first, infrared_.width - 1, end - 1};
            tone(same, infrared_.out + first * infrared_.out_stride, infrared_.out_stride);
        }
    }
}

template <class Raw>
bool Sampling<Raw>::warp_band(int first, int end) const {
    const LutFuseWindow& window = infrared_.windows[first / infrared_.band];
    const int pitch = window.right - window.left + 1;
    const size_t pixels = static_cast<size_t>(pitch) * (window.bottom - window.top + 1);
    uint8_t* levels = scratch.of(pixels + RemapRow::kPadding);
    if (!levels) return false;
    tone(window, levels, pitch);
    for (int y = first; y < end; ++y) {
        const ptrdiff_t start = static_cast<ptrdiff_t>(y) * infrared_.width;
        kernels_.remap_row({
            levels - static_cast<ptrdiff_t>(window.top) * pitch - window.left,
            pitch,
            infrared_.offsets + 2 * start,
            infrared_.fractions + start,
            infrared_.width,
            infrared_.out + y * infrared_.out_stride,
        });
    }
    return true;
}

template <class Raw>
void Sampling<Raw>::tone(const LutFuseWindow& window, uint8_t* levels,
                         ptrdiff_t pitch) const {
    const uint8_t* __restrict table = infrared_.levels;
    const int last_column = infrared_.raw_width - 1, last_row = infrared_.raw_height - 1;
    const int first = std::max(window.left, 0), last = std::min(window.right, last_column);
    for (int y = window.top; y <= window.bottom; ++y, levels += pitch) {
        const Raw* __restrict raw = raw_row(std::clamp(y, 0, last_row));
        uint8_t* __restrict out = levels - window.left;
        if constexpr (sizeof(Raw) == 1) {
            kernels_.tone_row(raw + first, last - first + 1, table, out + first);
        } else {
            for (int x = first; x <= last; ++x) out[x] = table[raw[x]];
        }
        if (window.left < 0) out[-1] = table[raw[0]];
        if (window.right > last_column) out[window.right] = table[raw[last_column]];
    }
}

template class Sampling<uint8_t>;
template class Sampling<uint16_t>;

}  // namespace lut_fuse
