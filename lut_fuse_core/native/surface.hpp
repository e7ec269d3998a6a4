// A smooth surface through most of some values on a grid.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void fit_surface(const LutFuseSurface& surface);

}  // namespace lut_fuse
