// Where the cells of a coarse grid fit best along their search lines, and the remap that follows.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void match(const LutFuseMatch& match);
void smooth_labels(const LutFuseLabels& labels);
void scores_around(const LutFuseSurroundings& surroundings);
void expand(const LutFuseExpansion& expansion);

}  // namespace lut_fuse
