// Direction of edges at each pixel, for comparing visible and infrared images.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void edge_channels(const LutFuseEdges& edges);

}  // namespace lut_fuse
