// What is looked at in every raw frame of a stream.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void sort_sample(LutFuseSorting& sorting);

void roughness(LutFuseRoughness& roughness);

}  // namespace lut_fuse
