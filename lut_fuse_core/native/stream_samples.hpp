// What is looked at in every raw frame of a stream, and the table to its gray levels.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// Both may throw std::bad_alloc.
void count(LutFuseHistogram& histogram);
void compare(LutFuseComparison& comparison);

void fill_tones(const LutFuseTones& tones);

void roughness(LutFuseRoughness& roughness);

}  // namespace lut_fuse
