// What stands on a ground, column by column of a displacement field.
#pragma once

#include "lut_fuse_native.h"

namespace lut_fuse {

// May throw std::bad_alloc.
void stand_on(const LutFuseStanding& standing);

}  // namespace lut_fuse
