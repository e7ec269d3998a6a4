// Kernels for x86-64 with AVX-512 and AMX (Sapphire Rapids and later).
#include "measure.hpp"
#include "plan.hpp"
#if defined(LUT_FUSE_AMX)
#include "tiles.hpp"

#include <string.h>

// Before the intrinsics, and after everything that other files include too: a function shared
// with them must not be compiled for this instruction set.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns of its own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,avx512bf16,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,avx512bf16,amx-tile,amx-bf16")
#endif
#include "simd_avx512.hpp"

using namespace lut_fuse;

namespace {
#include "features.inl"
#include "look_up.inl"
#include "sigmoid.inl"
#include "amx_encoder.inl"
#include "float_look_up.inl"
#include "remap.inl"
#include "remap_row_avx2.inl"
#include "tone_row_avx512.inl"
#include "measure.inl"
}  // namespace

#if defined(__clang__)
#pragma clang attribute pop
#endif

const Kernels lut_fuse::kAmxKernels = {
    "amx",
    &kAvx512Kernels,
    kLanes,
    64,
    true,
    enter_tiles,
    leave_tiles,
    luma_row,
    pool_rows,
    spread_pixels,
    convolve_tiles,
    context_tiles,
    tile_scratch,
    expand_row,
    look_up_row,
    remap_row,
    tone_row,
    float_luma_row,
    float_look_up_row,
    measure_rows,
};
#endif
