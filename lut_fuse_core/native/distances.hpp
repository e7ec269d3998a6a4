// How far each pixel is from what lies outside a mask.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void distances(const LutFuseDistances& distances);

}  // namespace lut_fuse
