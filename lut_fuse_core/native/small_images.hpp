// Images made smaller, and smoothed there.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// Both may throw std::bad_alloc.
void mean_areas(const LutFuseAreas& areas);
void blur(const LutFuseBlur& blur);

}  // namespace lut_fuse
