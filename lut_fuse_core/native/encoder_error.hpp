// How far the kernels' context is from the exact one.
#pragma once

#include "model.hpp"

namespace lut_fuse {

// Largest difference in gray levels between the context that the kernels compute and that of double
// precision from exact luma, over frames of noise and of black and white squares, times four.
//
// For learned encoders, of which a bound for every frame (encoder_bound.hpp) is of no use: through five
// convolutions worst cases multiply to 10^4 times what any frame shows, for single precision as well
// (docs/development/performance.md).
float measured_error(const LutFuseModel& model, const std::vector<Block>& blocks,
                     const Kernels& kernels);

}  // namespace lut_fuse
