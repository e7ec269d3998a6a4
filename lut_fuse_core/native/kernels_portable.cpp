// Kernels for any processor.
#include "measure.hpp"
#include "plan.hpp"

#include <string.h>

#include "simd_portable.hpp"

using namespace lut_fuse;

namespace {
#include "features.inl"
#include "look_up.inl"
#include "sigmoid.inl"
#include "encoder.inl"
#include "float_look_up.inl"
#include "remap.inl"
#include "remap_row.inl"
#include "tone_row.inl"
#include "measure.inl"
}  // namespace

const Kernels lut_fuse::kPortableKernels = {
    "portable",
    nullptr,
    kLanes,
    16,
    false,
    nullptr,
    nullptr,
    luma_row,
    pool_rows,
    spread_sums,
    convolve_rows,
    context_rows,
    convolution_scratch,
    expand_row,
    look_up_row,
    remap_row,
    tone_row,
    float_luma_row,
    float_look_up_row,
    measure_rows,
};
