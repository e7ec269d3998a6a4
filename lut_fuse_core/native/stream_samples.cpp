#include "stream_samples.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

template <typename Raw, typename Job, typename To>
void gather_as(const Job& job, To* to) {
    const auto* bytes = static_cast<const uint8_t*>(job.raw);
    for (int y = 0; y < job.height; y += job.step) {
        const auto* row = reinterpret_cast<const Raw*>(bytes + y * job.stride);
        for (int x = 0; x < job.width; x += job.step) *to++ = row[x];
    }
}

// Every step-th pixel of every step-th row.
template <typename Job, typename To>
void gather(const Job& job, To* to) {
    job.wide ? gather_as<uint16_t>(job, to) : gather_as<uint8_t>(job, to);
}

template <typename Job>
size_t sampled(const Job& job) {
    const size_t rows = (job.height + job.step - 1) / job.step;
    return rows * ((job.width + job.step - 1) / job.step);
}

// With linear interpolation; puts the values in another order.
double quantile(std::vector<float>& values, double share) {
    const double position = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(position);
    const auto at = values.begin() + static_cast<ptrdiff_t>(below);
    std::nth_element(values.begin(), at, values.end());
    const double low = *at;
    const double high = at + 1 == values.end() ? low : *std::min_element(at + 1, values.end());
    return low + (position - static_cast<double>(below)) * (high - low);
}

}  // namespace

void count(LutFuseHistogram& h) {
    std::vector<uint16_t> values(sampled(h));
    gather(h, values.data());
    uint16_t least = UINT16_MAX, most = 0;
    for (const uint16_t value : values) {
        least = std::min(least, value);
        most = std::max(most, value);
    }
    h.least = least;
    h.entries = 0;
    if (!least) return;
    h.entries = most - least + 1;
    // Two histograms: neighbors are often alike, and would wait for one another's count.
    std::vector<int32_t> second(h.entries);
    int32_t *even = h.cumulative - h.least, *odd = second.data() - h.least;
    std::fill_n(h.cumulative, h.entries, 0);
    size_t i = 0;
    for (; i + 1 < values.size(); i += 2) {
        ++even[values[i]];
        ++odd[values[i + 1]];
    }
    if (i < values.size()) ++even[values[i]];
    int32_t sum = 0;
    for (int entry = 0; entry < h.entries; ++entry) {
        h.cumulative[entry] = sum += h.cumulative[entry] + second[entry];
    }
}

void compare(LutFuseComparison& c) {
    const size_t size = sampled(c);
    gather(c, c.sample);
    std::vector<float> values;
    values.reserve(size);
    std::copy_if(c.sample, c.sample + size, std::back_inserter(values),
                 [](float value) { return value > 0; });
    c.span = values.empty() ? 0 : quantile(values, c.high) - quantile(values, c.low);
    c.same = c.common = 0;
    c.shift = c.stray = 0;
    if (!c.past) return;
    c.same = std::equal(c.sample, c.sample + size, c.past);
    values.clear();
    for (size_t i = 0; i < size; ++i) {
        if (c.sample[i] > 0 && c.past[i] > 0) values.push_back(c.sample[i] - c.past[i]);
    }
    c.common = static_cast<int32_t>(values.size());
    if (values.empty()) return;
    c.shift = quantile(values, 0.5);
    const auto shift = static_cast<float>(c.shift);
    for (float& value : values) value = std::abs(value - shift);
    c.stray = quantile(values, 0.5);
}

// The gray levels rise with the counts, so it is enough to find the count at which each begins.
void fill_tones(const LutFuseTones& t) {
    const double top = 255 - t.shoulder, slope = (t.shoulder - t.foot) / t.width;
    const auto level_of = [&](int count) {
        const double linear = t.foot + (count - t.low) * slope;
        const double above = std::max(linear - t.shoulder, 0.0);
        const double below = std::max(t.foot - linear, 0.0);
        const double soft = std::clamp(linear, t.foot, t.shoulder);
        const double ends = top * above / (top + above) - t.foot * below / (t.foot + below);
        return static_cast<int>(soft + ends + 0.5);
    };
    int begun = 0;
    for (int level = 1; level < 256; ++level) {
        const double soft = level - 0.5;
        const double above = std::max(soft - t.shoulder, 0.0), below = std::max(t.foot - soft, 0.0);
        const double ends = top * above / (top - above) - t.foot * below / (t.foot - below);
        const double linear = std::clamp(soft, t.foot, t.shoulder) + ends;
        const double beginning = t.low + (linear - t.foot) / slope;
        int first = static_cast<int>(std::ceil(std::clamp(beginning, 0.0, double(t.entries))));
        // Where rounding put a beginning beside the count that has the level.
        if (first > 0 && level_of(first - 1) >= level) --first;
        if (first < t.entries && level_of(first) < level) ++first;
        std::fill(t.levels + begun, t.levels + std::max(first, begun), uint8_t(level - 1));
        begun = std::max(first, begun);
    }
    std::fill(t.levels + begun, t.levels + t.entries, uint8_t{255});
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
