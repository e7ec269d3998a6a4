// Luma and chroma, out of pixels that hold them side by side.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void split_planes(const LutFusePlanes& planes);

}  // namespace lut_fuse
