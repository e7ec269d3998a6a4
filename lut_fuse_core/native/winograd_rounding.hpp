// What Winograd's convolution (encoder.inl) rounds off at most.
#pragma once

#include <vector>

namespace lut_fuse {

// A rounding of single precision, relative.
constexpr double kFloatUnit = 1.0 / (1 << 24);

// A weight of a 3x3 filter, whose middle is at 0, 0.
struct Weight {
    int input, row, column;
    double value;
};

// Between what the inputs of a convolution can be, by channel; 0 included, for outside the image they
// are 0.
struct InputRanges {
    std::vector<double> low, high;
};

double winograd_rounding(const std::vector<Weight>& weights, double bias, const InputRanges& ranges);

}  // namespace lut_fuse
