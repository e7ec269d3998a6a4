#include "small_images.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiled_twice.hpp"

namespace lut_fuse {

namespace {

// The pixels that one of the result covers along an axis, and the share of it that each takes.
struct Cover {
    int first;
    std::vector<float> shares;
};

std::vector<Cover> covers(int length, int wanted) {
    const double scale = static_cast<double>(length) / wanted;
    std::vector<Cover> found(wanted);
    for (int i = 0; i < wanted; ++i) {
        const double start = i * scale, end = std::min<double>(start + scale, length);
        const int first = std::min(static_cast<int>(start), length - 1);
        found[i].first = first;
        for (int at = first; at == first || (at < length && at < end - 1e-6); ++at) {
            const double covered = std::min<double>(end, at + 1) - std::max<double>(start, at);
            found[i].shares.push_back(static_cast<float>(covered / (end - start)));
        }
    }
    return found;
}

// The image goes on as in a mirror whose plane is the middle of the last pixel.
inline int mirrored(int at, int length) {
    if (length == 1) return 0;
    while (at < 0 || at >= length) at = at < 0 ? -at : 2 * (length - 1) - at;
    return at;
}

template <typename Sample>
inline void add_row(float* __restrict sums, const Sample* __restrict row, int size, float share) {
    for (int i = 0; i < size; ++i) sums[i] += share * static_cast<float>(row[i]);
}

}  // namespace

LUT_FUSE_COMPILED_TWICE void mean_areas(const LutFuseAreas& a) {
    const int channels = a.channels, size = a.width * channels;
    const std::vector<Cover> down = covers(a.height, a.rows), across = covers(a.width, a.columns);
    std::vector<float> sums(size);
    float* result = a.result;
    for (const Cover& rows : down) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        for (size_t i = 0; i < rows.shares.size(); ++i) {
            const size_t start = (static_cast<size_t>(rows.first) + i) * size;
            const float share = rows.shares[i];
            if (a.bytes == 1) {
                add_row(sums.data(), static_cast<const uint8_t*>(a.image) + start, size, share);
            } else if (a.bytes == 2) {
                add_row(sums.data(), static_cast<const uint16_t*>(a.image) + start, size, share);
            } else {
                add_row(sums.data(), static_cast<const float*>(a.image) + start, size, share);
            }
        }
        for (const Cover& columns : across) {
            const float* first = sums.data() + static_cast<size_t>(columns.first) * channels;
            for (int c = 0; c < channels; ++c) {
                float sum = 0;
                for (size_t j = 0; j < columns.shares.size(); ++j) {
                    sum += columns.shares[j] * first[j * channels + c];
                }
                *result++ = sum;
            }
        }
    }
}

LUT_FUSE_COMPILED_TWICE void blur(const LutFuseBlur& b) {
    const int channels = b.channels, size = b.width * channels, reach = b.taps / 2;
    std::vector<float> padded(static_cast<size_t>(size) + 2 * reach * channels);
    float* row = padded.data() + reach * channels;
    for (int y = 0; y < b.height; ++y) {
        std::fill(row, row + size, 0.0f);
        for (int i = 0; i < b.taps; ++i) {
            const int at = mirrored(y + i - reach, b.height);
            add_row(row, b.image + static_cast<size_t>(at) * size, size, b.weights[i]);
        }
        for (int i = 1; i <= reach; ++i) {
            const int before = mirrored(-i, b.width), after = mirrored(b.width - 1 + i, b.width);
            std::copy_n(row + before * channels, channels, row - i * channels);
            std::copy_n(row + after * channels, channels, row + (b.width - 1 + i) * channels);
        }
        float* result = b.result + static_cast<size_t>(y) * size;
        std::fill(result, result + size, 0.0f);
        for (int i = 0; i < b.taps; ++i) {
            add_row(result, padded.data() + i * channels, size, b.weights[i]);
        }
    }
}

}  // namespace lut_fuse
