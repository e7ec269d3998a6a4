// Sums over a pair and images fused from it, behind the metrics of evaluation/metrics.
#pragma once

#include "lut_fuse_native.h"
#include "plan.hpp"

namespace lut_fuse {

// Rows of a strip in double precision, and elements behind each row that may be read.
constexpr int kMeasureStrip = 32, kMeasurePadding = 16;

// May throw std::bad_alloc.
void measure(const LutFuseMeasurement& measurement, const Kernels& kernels);

}  // namespace lut_fuse
