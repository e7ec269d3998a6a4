#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "buffer.hpp"

namespace lut_fuse {

namespace {

constexpr int kLevels = 256;

// How often each gray level occurs, or each two of two images.
using Counts = std::vector<uint32_t>;

double entropy(const Counts& counts, double pixels) {
    double sum = 0;
    for (const uint32_t count : counts) {
        if (count) sum -= count / pixels * std::log(count / pixels);
    }
    return sum;
}

void count_levels(const uint8_t* image, size_t pixels, LutFuseSums& sums) {
    Counts counts(kLevels, 0);
    for (size_t i = 0; i < pixels; ++i) ++counts[image[i]];
    for (int64_t level = 0; level < kLevels; ++level) {
        sums.total += level * counts[level];
        sums.squares += level * level * counts[level];
    }
    sums.entropy = entropy(counts, static_cast<double>(pixels));
}

void count_both(const uint8_t* one, const uint8_t* other, size_t pixels, Counts& counts,
                LutFuseJointSums& sums) {
    std::fill(counts.begin(), counts.end(), 0);
    for (size_t i = 0; i < pixels; ++i) ++counts[one[i] * kLevels + other[i]];
    for (int64_t a = 0; a < kLevels; ++a) {
        for (int64_t b = 0; b < kLevels; ++b) sums.products += a * b * counts[a * kLevels + b];
    }
    sums.joint_entropy = entropy(counts, static_cast<double>(pixels));
}

void count(const LutFuseMeasurement& m) {
    const size_t pixels = static_cast<size_t>(m.height) * m.width;
    Counts counts(kLevels * kLevels);
    for (int i = 0; i < 2 + m.results; ++i) count_levels(m.images[i], pixels, m.sums[i]);
    count_both(m.images[1], m.images[0], pixels, counts, m.sums[1].joint[0]);
    for (int i = 0; i < 2 * m.results; ++i) {
        const int image = 2 + i / 2, source = i % 2;
        count_both(m.images[image], m.images[source], pixels, counts, m.sums[image].joint[source]);
    }
}

// Bytes for what measure.inl keeps: a strip and three smaller scales, of at most half, a quarter
// and an eighth of the size; that is more than the rows that its other functions need.
size_t scratch_bytes(const LutFuseMeasurement& m) {
    const size_t images = 2 + m.results, pitch = m.width + kMeasurePadding;
    size_t numbers = 2 * pitch + images * (kMeasureStrip + 16) * pitch;
    for (int part = 2; part <= 8; part *= 2) {
        numbers += images * (m.height / part + 1) * (m.width / part + 1 + kMeasurePadding);
    }
    return sizeof(double) * (numbers + kMeasurePadding);
}

thread_local Scratch scratch;

}  // namespace

void measure(const LutFuseMeasurement& measurement, const Kernels& kernels) {
    count(measurement);
    void* room = scratch.of(scratch_bytes(measurement));
    if (!room) throw std::bad_alloc();
    kernels.measure(measurement, room);
}

}  // namespace lut_fuse
