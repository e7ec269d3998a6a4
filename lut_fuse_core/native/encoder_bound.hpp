// How far the kernels' context can be from that of the reference, whatever the frame.
#pragma once

#include "lut_fuse_native.h"
#include "plan.hpp"

namespace lut_fuse {

// Largest difference in gray levels that any frame can lead to between the context that the kernels
// compute and that of the reference, up to 256 cells of the context a side: what each of both rounds
// off, worst cases added up layer by layer (docs/development/performance.md). Infinite for encoders of
// too many weights, which are learned, and whose worst cases are of no use.
float context_bound(const LutFuseModel& model, const Kernels& kernels);

}  // namespace lut_fuse
