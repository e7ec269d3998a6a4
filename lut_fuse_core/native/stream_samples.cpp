#include "stream_samples.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

constexpr int kMostCounted = 1 << 14;  // as of a camera with 14 bits; beyond, NumPy's sort is faster

template <typename Raw>
void gather(const LutFuseSorting& s, uint16_t* to) {
    const auto* bytes = static_cast<const uint8_t*>(s.raw);
    for (int y = 0; y < s.height; y += s.step) {
        const auto* row = reinterpret_cast<const Raw*>(bytes + y * s.stride);
        for (int x = 0; x < s.width; x += s.step) *to++ = row[x];
    }
}

}  // namespace

void sort_sample(LutFuseSorting& s) {
    const size_t rows = (s.height + s.step - 1) / s.step, columns = (s.width + s.step - 1) / s.step;
    std::vector<uint16_t> values(rows * columns);
    if (s.wide) {
        gather<uint16_t>(s, values.data());
    } else {
        gather<uint8_t>(s, values.data());
    }
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const int low = *least, range = *most - low + 1;
    s.done = low != 0 && range <= kMostCounted;
    if (!s.done) return;
    double* to = s.sorted;
    // Two histograms: neighbors are often alike, and would wait for one another's count.
    std::vector<uint32_t> counts(2 * range);
    uint32_t *even = counts.data() - low, *odd = even + range;
    size_t i = 0;
    for (; i + 1 < values.size(); i += 2) {
        ++even[values[i]];
        ++odd[values[i + 1]];
    }
    if (i < values.size()) ++even[values[i]];
    for (int value = low; value < low + range; ++value) {
        to = std::fill_n(to, even[value] + odd[value], static_cast<double>(value));
    }
}

LUT_FUSE_COMPILED_TWICE void roughness(LutFuseRoughness& r) {
    r.as_is = r.swapped = 0;
    const auto* bytes = static_cast<const uint8_t*>(r.raw);
    for (int y = 0; y < r.height; y += r.step) {
        const auto* row = reinterpret_cast<const uint16_t*>(bytes + y * r.stride);
        int32_t as_is = 0, swapped = 0;  // of 32767 pixels of 65535 at most, which fit
        for (int x = 1; x < r.width; ++x) {
            const int32_t here = row[x], before = row[x - 1];
            const int32_t here_swapped = (here << 8 & 0xff00) | here >> 8;
            const int32_t before_swapped = (before << 8 & 0xff00) | before >> 8;
            as_is += std::abs(here - before);
            swapped += std::abs(here_swapped - before_swapped);
        }
        r.as_is += as_is;
        r.swapped += swapped;
    }
}

}  // namespace lut_fuse
