// Kernels for x86-64 with AVX2 and FMA.
#if defined(__x86_64__) || defined(_M_X64)
#include "measure.hpp"
#include "plan.hpp"

#include <string.h>

// Before the intrinsics, and after everything that other files include too: a function shared
// with them must not be compiled for this instruction set.
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#include "simd_avx2.hpp"

using namespace lut_fuse;

namespace {
#include "features.inl"
#include "look_up.inl"
#include "sigmoid.inl"
#include "encoder.inl"
#include "float_look_up.inl"
#include "remap.inl"
#include "remap_row_avx2.inl"
#include "tone_row.inl"
#include "measure.inl"
}  // namespace

#if defined(__clang__)
#pragma clang attribute pop
#endif

const Kernels lut_fuse::kAvx2Kernels = {
    "avx2",
    &kPortableKernels,
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
#endif
